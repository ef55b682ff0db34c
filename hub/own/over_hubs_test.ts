/**
 * Lists and feeds over hubs: real hubs in one process, asked as an operator asks.
 */
import assert from "node:assert/strict";
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_ListHubsResponse as ListHubsResponse,
  ghub_v1_ListServersResponse as ListServersResponse,
} from "../../shared/gen/types.ts";
import { until } from "../../tests/support/until.ts";
import { Asker } from "../testing/asker.ts";
import { dialTunnel } from "../testing/dialled.ts";
import { LinkedHubs } from "../testing/linked_hubs.ts";
import { watchOverHubs } from "./over_hubs.ts";

/** Hubs a and b, linked both ways. */
async function begin() {
  await using stack = new AsyncDisposableStack();
  const hubs = stack.use(await LinkedHubs.start({ a: {}, b: {} }));
  const asker = stack.use(await Asker.dial(hubs.of("a").hub.callAddress));
  await until("both hubs to be linked", async () => {
    const { hubs: members = [] } = await asker.one<ListHubsResponse>("ListHubs");
    return members.length === 2 && members.every(({ linked }) => linked);
  });
  const all = stack.move();
  return { hubs, asker, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const shown = ({ servers = [], hubsSilent, nextPageToken }: ListServersResponse) => ({
  servers: servers.map(({ name, state, hubs = [] }) => `${name} ${state} ${hubs.join("+")}`),
  silent: hubsSilent ?? [],
  next: nextPageToken ?? "",
});

Deno.test("ListServers lists the servers of all hubs, page after page, with their hubs", async () => {
  await using world = await begin();
  const { hubs, asker } = world;
  await using _1 = await dialTunnel(hubs.of("a").hub.tunnelAddress, "edge-1");
  await using _2 = await dialTunnel(hubs.of("b").hub.tunnelAddress, "edge-2");
  await using _3 = await dialTunnel(hubs.of("a").hub.tunnelAddress, "edge-3");
  await using _4 = await dialTunnel(hubs.of("b").hub.tunnelAddress, "edge-4");
  // One with a tunnel to each.
  await using _5 = await dialTunnel(hubs.of("a").hub.tunnelAddress, "edge-5");
  await using _6 = await dialTunnel(hubs.of("b").hub.tunnelAddress, "edge-5");
  const all = [
    "edge-1 ONLINE a",
    "edge-2 ONLINE b",
    "edge-3 ONLINE a",
    "edge-4 ONLINE b",
    "edge-5 ONLINE a+b",
  ];
  assert.deepEqual(shown(await asker.one("ListServers")), { servers: all, silent: [], next: "" });
  const paged: string[] = [];
  let pages = 0;
  for (let pageToken = "", more = true; more; pages++) {
    const page = shown(await asker.one("ListServers", { pageSize: 2, pageToken }));
    paged.push(...page.servers);
    pageToken = page.next;
    more = pageToken !== "";
  }
  assert.deepEqual([paged, pages], [all, 3]);
});

Deno.test("ListServers names a hub that does not answer, and shows what is known of its servers", async () => {
  await using world = await begin();
  const { hubs, asker } = world;
  hubs.put("edge-1", "b");
  hubs.of("b").hub.close();
  await until("the hub to be silent", async () => {
    const list = shown(await asker.one("ListServers"));
    return list.silent.length === 1 && list;
  });
  assert.deepEqual(shown(await asker.one("ListServers")), {
    servers: ["edge-1 ONLINE b"],
    silent: ["b"],
    next: "",
  });
  const { hubs: members = [] } = await asker.one<ListHubsResponse>("ListHubs");
  const [a, b] = members;
  assert.deepEqual([a?.self, a?.linked, b?.self ?? false, b?.linked ?? false, b?.servers], [
    true,
    true,
    false,
    false,
    1,
  ]);
});

Deno.test("23: ListHubs names the shared files in which a hub differs", async () => {
  await using world = await begin();
  const { hubs, asker } = world;
  const files = (auth: string) => ({ auth, join: "same", voucher: "same" });
  hubs.tell((record) => ({ ...record, fingerprints: files(record.name) }));
  const { hubs: members = [] } = await asker.one<ListHubsResponse>("ListHubs");
  assert.deepEqual(members.map(({ name, differingFiles = [] }) => [name, differingFiles]), [
    ["a", []],
    ["b", ["auth"]],
  ]);
});

Deno.test("WatchActivity tells once what happens at any hub, and of a hub that is lost", async () => {
  await using world = await begin();
  const { hubs, asker } = world;
  const over = new AbortController();
  const events: Activity[] = [];
  const watching = (async () => {
    for await (const event of asker.ask<Activity>("WatchActivity", {}, over.signal)) {
      events.push(event);
    }
  })();
  const told = (kind: string) =>
    events.filter((event) => event.kind === kind).map(({ hub, server }) =>
      `${hub} ${server ?? ""}`
    );
  let nth = 0;
  // A watch says nothing when it begins: servers come until one is heard of.
  await using stack = new AsyncDisposableStack();
  await until("a server at the other hub to be told", async () => {
    stack.use(await dialTunnel(hubs.of("b").hub.tunnelAddress, `edge-${++nth}`));
    return told("SERVER_REGISTERED").length > 0;
  });
  await using _ = await dialTunnel(hubs.of("a").hub.tunnelAddress, "near");
  await until("both hubs to be told of", () =>
    told("SERVER_REGISTERED").includes("a near") &&
    told("SERVER_REGISTERED").includes(`b edge-${nth}`));
  assert.equal(new Set(told("SERVER_REGISTERED")).size, told("SERVER_REGISTERED").length);
  hubs.of("b").hub.close();
  await until("the lost hub to be told", () => told("GAP").includes("b "));
  over.abort();
  await watching;
});

Deno.test("WatchActivity tells once what happens at a hub that was forgotten for a while", async () => {
  await using world = await begin();
  const { hubs, asker } = world;
  const over = new AbortController();
  const told: string[] = [];
  const watching = (async () => {
    for await (const event of asker.ask<Activity>("WatchActivity", {}, over.signal)) {
      if (event.kind === "SERVER_REGISTERED") told.push(event.server!);
    }
  })();
  await using stack = new AsyncDisposableStack();
  let nth = 0;
  const register = async () => {
    stack.use(await dialTunnel(hubs.of("b").hub.tunnelAddress, `edge-${++nth}`));
  };
  await until("a server at the other hub to be told", async () => {
    await register();
    return told.length > 0;
  });
  // The link that is watched stays with its watch, and another one takes the new calls.
  hubs.tell((record) => record.name === "b" ? undefined : record);
  hubs.tell();
  await until("the hubs to be linked again", async () => {
    const { hubs: members = [] } = await asker.one<ListHubsResponse>("ListHubs");
    return members.length === 2 && members.every(({ linked }) => linked);
  });
  for (let i = 0; i < 5; i++) await register();
  await until("all to be told", () => told.includes(`edge-${nth}`));
  // A second telling would come before what is told of this one.
  await register();
  await until("the last one to be told", () => told.includes(`edge-${nth}`));
  over.abort();
  await watching;
  assert.deepEqual(told, [...new Set(told)]);
});

Deno.test("watchOverHubs() keeps nothing of the events that it has told", async () => {
  const EVENTS = 300_000;
  const here = async function* (): AsyncGenerator<Activity> {
    for (let i = 0; i < EVENTS; i++) yield { kind: "CALL_ENDED", bytesUp: i };
  };
  const hubs = {
    name: "a",
    view: {
      ...{ hubs: () => [], session: "s", names: () => [], placesOf: () => [] },
      departures: () => [],
    },
    links: {
      linkOf: () => undefined,
      stateOf: () => ({ isOpen: false, reason: "" }),
      onChange: () => ({ [Symbol.dispose]() {} }),
    },
  };
  const { signal } = new AbortController();
  let told = 0;
  let most = 0;
  const before = Deno.memoryUsage().heapUsed;
  for await (const _ of watchOverHubs({}, here(), { hubs, operator: "olga", signal })) {
    if (++told % 10_000 === 0) most = Math.max(most, Deno.memoryUsage().heapUsed - before);
  }
  assert.equal(told, EVENTS);
  assert.ok(most < 64 << 20, `${most >> 20} MiB`);
});
