import assert from "node:assert/strict";
import { until } from "../../tests/support/until.ts";
import { HandMadeView } from "../testing/hand_made_view.ts";
import { FakeSocket } from "../testing/socket.ts";
import type { HubRecord } from "../cluster/view.ts";
import { OpenLink } from "./open_link.ts";
import { PeerLinks } from "./peer_links.ts";
import { MAX_HUBS } from "./peer_limits.ts";

const hub = (name: string): HubRecord => ({
  session: name,
  name,
  peerAddress: `${name}:9091`,
  version: "",
  protocol: 1,
  state: "open",
  sinceMs: 0,
  fingerprints: {},
});

/** Links to hubs whose sockets are in memory. */
function begin() {
  const view = new HandMadeView("self");
  const dialled: string[] = [];
  const opened: OpenLink[] = [];
  const sockets: FakeSocket[] = [];
  let refusals = 0;
  const links = new PeerLinks({
    view,
    self: () => ({ name: "self", session: "self", version: "", protocol: 1 }),
    dialler: {
      dial(address, { session }) {
        dialled.push(address);
        if (refusals-- > 0) return Promise.reject(new Error("Connection refused"));
        const socket = new FakeSocket();
        sockets.push(socket);
        const link = new OpenLink(socket, { hub: session, id: String(dialled.length) });
        opened.push(link);
        return Promise.resolve({ link, first: new Uint8Array() });
      },
    },
  });
  return {
    view,
    links,
    dialled,
    opened,
    refuse: (times: number) => refusals = times,
    async [Symbol.asyncDispose]() {
      links.close();
      // The other end hears the last word, and ends its half.
      for (const socket of sockets) socket.feed(null);
      await until("all sockets to be closed", () => sockets.every(({ closed }) => closed));
    },
  };
}

Deno.test("PeerLinks dials each other hub of the view once, and no more hubs than it may", async () => {
  await using world = begin();
  const { view, links, dialled } = world;
  const others = Array.from({ length: MAX_HUBS + 3 }, (_, n) => hub(`hub-${n}`));
  view.setHubs([hub("self"), { ...hub("mute"), peerAddress: "" }, ...others]);
  await until("all to be dialled", () => [...links.open()].length === MAX_HUBS);
  assert.equal(new Set(dialled).size, MAX_HUBS);
  assert.ok(!dialled.includes("self:9091"));
});

Deno.test("PeerLinks dials again what was lost or refused, and says why there is no link", async () => {
  await using world = begin();
  const { view, links, opened, refuse } = world;
  refuse(2);
  view.setHubs([hub("b")]);
  await until("the reason", () => links.stateOf("b").reason === "Connection refused");
  await until("the link", () => links.stateOf("b").isOpen);
  assert.equal(links.stateOf("b").reason, "");
  opened[0]!.close("The cable was cut");
  await until("the next one", () => opened.length === 2 && links.stateOf("b").isOpen);
});

Deno.test("PeerLinks does not cut what the view forgets", async () => {
  await using world = begin();
  const { view, links, opened } = world;
  view.setHubs([hub("b")]);
  await until("the link", () => links.stateOf("b").isOpen);
  const [link] = opened;
  const quiet = { onHeaders() {}, onData() {}, onReset() {}, onCredit() {}, onDrained() {} };
  const stream = link!.side.connection.request(new Uint8Array(), false, quiet);
  view.setHubs([]);
  assert.deepEqual([links.linkOf("b"), link!.lost], [undefined, undefined]);
  link!.side.connection.reset(stream, 0);
  for (const open of [...links.open()]) open.tick();
  assert.match(link!.lost ?? "", /No call needs this link/);
  await until("nothing to be left", () => [...links.open()].length === 0);
});
