import assert from "node:assert/strict";
import { ResetPacer } from "../peer/reset_pacer.ts";
import { ReceiveBudget } from "../peer/receive_budget.ts";
import { Connection } from "../../shared/http2/connection.ts";
import { Registry } from "../registry/registry.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";
import { HandMadeView } from "../testing/hand_made_view.ts";
import { placeOf } from "../testing/linked_hubs.ts";
import { Directory, type RemoteTarget } from "./directory.ts";
import type { HubRecord, Place } from "./view.ts";

const hub = (name: string, state: HubRecord["state"] = "open"): HubRecord => ({
  session: `session-of-${name}`,
  name,
  peerAddress: `${name}:9091`,
  version: "",
  protocol: 1,
  state,
  sinceMs: 0,
  fingerprints: {},
});

/** Links to hubs of these names; each target's id tells where it leads. */
function linkedWith(...names: string[]) {
  const connection = new Connection(new Recorder({ role: "client" }), { role: "client" });
  const rest = { side: new ReceiveBudget(connection), resets: new ResetPacer(connection) };
  const listeners: (() => void)[] = [];
  return {
    names: new Set(names),
    tell: () => listeners.forEach((listener) => listener()),
    targetOf({ hub, info }: Place): RemoteTarget | undefined {
      const { names } = this;
      if (!names.has(hub.name)) return undefined;
      return {
        get isOpen() {
          return names.has(hub.name);
        },
        name: info.name,
        hop: "peer",
        id: hub.name,
        lost: undefined,
        callsTotal: 0,
        ...rest,
      };
    },
    onChange(listener: () => void): Disposable {
      listeners.push(listener);
      return { [Symbol.dispose]() {} };
    },
  };
}

function begin(...linked: string[]) {
  const view = new HandMadeView("session-of-a");
  const links = linkedWith(...linked);
  const registry = new Registry<never>();
  return { view, links, directory: new Directory({ registry, view, links }) };
}

Deno.test("Directory.pick() takes a place whose hub is open and linked", () => {
  const { view, directory } = begin("b", "c");
  const at = (...places: Place[]) => {
    view.setPlaces("edge-1", places);
    return directory.pick("edge-1")?.id;
  };
  const both = { generation: 1, info: { ...placeOf("edge-1", hub("b")).info, instance: "one" } };
  assert.equal(at(placeOf("edge-1", hub("b"))), "b");
  assert.equal(at(placeOf("edge-1", hub("b", "draining"))), undefined);
  assert.equal(at(placeOf("edge-1", hub("d"))), undefined);
  assert.equal(at(placeOf("edge-1", hub("d"), both), placeOf("edge-1", hub("c"), both)), "c");
});

Deno.test("Directory.pick() takes no tunnel of an older instance", () => {
  const { view, directory } = begin("b", "c");
  const info = placeOf("edge-1", hub("b")).info;
  const older = placeOf("edge-1", hub("b"), { generation: 1, info: { ...info, instance: "one" } });
  const newer = placeOf("edge-1", hub("c"), { generation: 2, info: { ...info, instance: "two" } });
  view.setPlaces("edge-1", [older, newer]);
  assert.equal(directory.pick("edge-1")?.id, "c");
  // Also when nothing leads to the newer one: the older one is about to be closed.
  view.setPlaces("edge-1", [older, { ...newer, hub: hub("d") }]);
  assert.equal(directory.pick("edge-1"), undefined);
  assert.match(directory.unreachable("edge-1")?.message ?? "", /tunnel at hub "d"/);
});

Deno.test("Directory.pick() spreads names over the hubs that have them, and stays with its choice", () => {
  const { view, directory } = begin("b", "c");
  const counts: Record<string, number> = {};
  for (let n = 0; n < 1_000; n++) {
    const name = `edge-${n}`;
    const info = { ...placeOf(name, hub("b")).info, instance: "one" };
    view.setPlaces(name, [placeOf(name, hub("b"), { info }), placeOf(name, hub("c"), { info })]);
    const id = directory.pick(name)!.id;
    assert.equal(directory.pick(name)!.id, id);
    counts[id] = (counts[id] ?? 0) + 1;
  }
  assert.ok(counts["b"]! > 350 && counts["c"]! > 350, JSON.stringify(counts));
});

Deno.test("Directory.pick() remembers its choice only as long as the way is open", () => {
  const { view, links, directory } = begin("b", "c");
  const info = { ...placeOf("edge-1", hub("b")).info, instance: "one" };
  const at = (name: string) => placeOf("edge-1", hub(name), { info });
  view.setPlaces("edge-1", [at("b"), at("c")]);
  const first = directory.pick("edge-1")!.id;
  const other = first === "b" ? "c" : "b";
  // Without a word of the links, as a hub's GOAWAY is.
  links.names.delete(first);
  assert.equal(directory.pick("edge-1")?.id, other);
  links.names.add(first);
  links.tell();
  assert.equal(directory.pick("edge-1")?.id, first);
  view.setPlaces("edge-1", [at(other)]);
  assert.equal(directory.pick("edge-1")?.id, other);
  view.setPlaces("edge-1", []);
  assert.equal(directory.pick("edge-1"), undefined);
});

Deno.test("Directory.waitFor() is woken by the view and by links, and gives up with its signal", async () => {
  const { view, links, directory } = begin("b");
  const signal = new AbortController().signal;
  const byView = directory.waitFor("edge-1", { signal });
  view.setPlaces("edge-1", [placeOf("edge-1", hub("b"))]);
  assert.equal((await byView).id, "b");
  view.setPlaces("edge-2", [placeOf("edge-2", hub("c"))]);
  const byLink = directory.waitFor("edge-2", { signal });
  links.names.add("c");
  links.tell();
  assert.equal((await byLink).id, "c");
  const over = new AbortController();
  const never = directory.waitFor("edge-3", { signal: over.signal });
  over.abort(new Error("Enough"));
  await assert.rejects(never, /Enough/);
});

Deno.test("Directory knows names, labels and changes of all hubs", () => {
  const { view, directory } = begin("b");
  const before = directory.changes;
  const info = { ...placeOf("edge-1", hub("b")).info, labels: { env: "prod" } };
  view.setPlaces("edge-1", [placeOf("edge-1", hub("b"), { info })]);
  assert.deepEqual([...directory.known()], ["edge-1"]);
  assert.deepEqual(directory.labelsOf("edge-1"), { env: "prod" });
  assert.ok(directory.has("edge-1") && !directory.has("edge-2"));
  assert.ok(directory.changes > before);
});
