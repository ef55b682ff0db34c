import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { RENEWAL_WAIT_MS } from "../../shared/registration/renewing.ts";
import { fc } from "../../shared/testing/property.ts";
import { FakeTunnel } from "../testing/fake_tunnel.ts";
import { MAX_DRAINING, Registry, type RegistryEvent } from "./registry.ts";
import type { ServerInfo, Tunnel } from "./tunnel.ts";

const GONE = { reason: "Peer went away", by: "network" } as const;

function register(registry: Registry, name: string, instance = ""): FakeTunnel {
  const tunnel = new FakeTunnel(name, registry.nextGeneration(name), { instance });
  registry.add(tunnel);
  return tunnel;
}

/** Lets the registry see that tunnels have closed: it hears of it by promise. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await Promise.resolve();
}

Deno.test("Registry.add() lets the newest win at once and closes the displaced one", () => {
  const registry = new Registry();
  const first = register(registry, "edge-1");
  const second = register(registry, "edge-1");
  assert.equal(registry.pick("edge-1"), second);
  assert.deepEqual(registry.list(), [second]);
  assert.deepEqual(first.closeReasons, [{
    reason: 'Displaced by a newer registration of "edge-1" from 192.0.2.7:4711',
    by: "hub",
  }]);
  assert.deepEqual(second.closeReasons, []);
});

Deno.test("Registry.add() never lets an older generation displace a newer one", () => {
  const registry = new Registry();
  const older = new FakeTunnel("edge-1", registry.nextGeneration("edge-1"));
  const newer = new FakeTunnel("edge-1", registry.nextGeneration("edge-1"));
  registry.add(newer);
  const entry = registry.add(older);
  assert.equal(registry.pick("edge-1"), newer);
  assert.match(older.closeReasons[0]!.reason, /newer registration/);
  entry[Symbol.dispose]();
  assert.equal(registry.pick("edge-1"), newer);
});

Deno.test("Registry removals touch only their own tunnel, however late and often", async () => {
  const registry = new Registry();
  const first = new FakeTunnel("edge-1", registry.nextGeneration("edge-1"));
  const entry = registry.add(first);
  const second = register(registry, "edge-1");
  entry[Symbol.dispose]();
  entry[Symbol.dispose]();
  first.close(GONE);
  await settle();
  assert.equal(registry.pick("edge-1"), second);
  second.close(GONE);
  await settle();
  assert.equal(registry.pick("edge-1"), undefined);
  assert.deepEqual(registry.lastSeen("edge-1"), { lastSeenMs: 5_000, reason: GONE.reason });
});

Deno.test("Registry.add() ignores a tunnel that closed before", () => {
  const registry = new Registry();
  const tunnel = new FakeTunnel("edge-1", registry.nextGeneration("edge-1"));
  tunnel.close(GONE);
  registry.add(tunnel);
  assert.equal(registry.has("edge-1"), false);
});

Deno.test("Registry keeps a draining tunnel beside its successor, but not many", async () => {
  const registry = new Registry();
  const all: FakeTunnel[] = [];
  for (let i = 0; i < MAX_DRAINING + 2; i++) {
    const tunnel = register(registry, "edge-1");
    await tunnel.drain();
    all.push(tunnel);
  }
  const open = register(registry, "edge-1");
  assert.equal(registry.pick("edge-1"), open);
  assert.deepEqual(registry.list(), [...all.slice(-MAX_DRAINING), open]);
  assert.deepEqual(
    all.map(({ state }) => state),
    ["closed", "closed", "draining", "draining", "draining"],
  );
});

Deno.test("Registry tells a draining server from an open one", async () => {
  const registry = new Registry();
  const tunnel = register(registry, "edge-1");
  await tunnel.drain();
  assert.equal(registry.isOnline("edge-1"), false);
  assert.equal(registry.has("edge-1"), true);
  assert.deepEqual(registry.names(), []);
  assert.deepEqual(registry.lastSeen("edge-1"), {
    lastSeenMs: 5_000,
    reason: "Tunnel is draining",
  });
});

Deno.test("Registry remembers a bounded number of names that went away", async () => {
  const registry = new Registry({ maxAway: 2 });
  for (const name of ["a", "b", "c"]) register(registry, name).close(GONE);
  await settle();
  assert.deepEqual(registry.away().map(({ info }) => info.name), ["b", "c"]);
  assert.equal(registry.has("a"), false);
  assert.equal(registry.lastSeen("a"), undefined);
  const back = register(registry, "a");
  assert.ok(back.generation > 1, "a forgotten name's generations still grow");
});

Deno.test("C1: Registry.known() has names that are here and away, and says when they change", async () => {
  const registry = new Registry({ maxAway: 2 });
  const steps: (() => void)[] = [
    () => register(registry, "edge-1"),
    () => register(registry, "edge-2").close(GONE),
    () => register(registry, "edge-3").close(GONE),
    () => register(registry, "edge-4").close(GONE),
  ];
  for (const step of steps) {
    const before = registry.changes;
    step();
    await settle();
    assert.ok(registry.changes > before);
  }
  assert.deepEqual([...registry.known()], ["edge-1", "edge-3", "edge-4"]);
});

Deno.test("Registry.admit() sheds new names at its limit, not known ones", () => {
  const registry = new Registry({ maxServers: 1 });
  const { info } = register(registry, "edge-1");
  assert.equal(registry.admit(info), undefined);
  assert.equal(registry.admit({ ...info, name: "edge-2" })?.status, 503);
});

Deno.test("Registry reports two living instances, then refuses the newcomer until one is gone", async () => {
  const registry = new Registry();
  const events: RegistryEvent[] = [];
  using _ = registry.onChange((event) => events.push(event));
  const turns = () =>
    events.flatMap((event) =>
      event.type === "flapping"
        ? [[event.holder.instance, event.displaced.instance, event.turns, event.refusing]]
        : []
    );
  const a = register(registry, "edge-1", "A");
  register(registry, "edge-1", "B");
  assert.deepEqual(turns(), []);
  register(registry, "edge-1", "A");
  assert.deepEqual(turns(), [["A", "B", 2, false]]);
  assert.equal(registry.admit({ ...a.info, instance: "B" }), undefined);
  const holder = register(registry, "edge-1", "B");
  assert.deepEqual(turns()[1], ["B", "A", 3, true]);

  const refusal = registry.admit(a.info);
  assert.equal(refusal?.status, 409);
  assert.match(refusal!.message, /192\.0\.2\.7:4711 holds this name/);
  assert.equal(registry.admit(holder.info), undefined, "the holder may reconnect");

  holder.close(GONE);
  await settle();
  assert.equal(registry.admit(a.info), undefined);
});

Deno.test("Registry.onChange() isolates listeners and stops when disposed", () => {
  const registry = new Registry();
  const seen: string[] = [];
  const listener = (event: RegistryEvent) => void seen.push(event.type);
  using _failing = registry.onChange(() => {
    throw new Error("Listener is broken");
  });
  const first = registry.onChange(listener);
  using _second = registry.onChange(listener);
  register(registry, "edge-1");
  first[Symbol.dispose]();
  register(registry, "edge-1");
  assert.deepEqual(seen, ["added", "added", "removed", "added"]);
});

Deno.test("Registry.waitFor() serves waiting calls in their order", async () => {
  const registry = new Registry();
  const { signal } = new AbortController();
  const order: number[] = [];
  const waits = [1, 2, 3].map((i) =>
    registry.waitFor("edge-1", { signal }).then(() => order.push(i))
  );
  const other = new AbortController();
  const unserved = registry.waitFor("edge-2", other);
  register(registry, "edge-1");
  await Promise.all(waits);
  assert.deepEqual(order, [1, 2, 3]);
  assert.equal(registry.waiting, 1);
  other.abort(new Error("Enough"));
  await assert.rejects(unserved, { message: "Enough" });
  assert.equal(registry.waiting, 0);
});

Deno.test("Registry.waitFor() gives an open tunnel at once and an aborted signal back", async () => {
  const registry = new Registry();
  const tunnel = register(registry, "edge-1");
  assert.equal(await registry.waitFor("edge-1", new AbortController()), tunnel);
  await assert.rejects(
    registry.waitFor("edge-1", { signal: AbortSignal.abort(new Error("Late")) }),
    {
      message: "Late",
    },
  );
});

Deno.test("Registry.waitFor() is bounded over all names", async () => {
  const registry = new Registry({ maxWaiters: 2 });
  const controller = new AbortController();
  const waits = ["a", "b"].map((name) => registry.waitFor(name, controller));
  await assert.rejects(
    registry.waitFor("c", controller),
    (error) => error instanceof RpcError && error.code === Status.RESOURCE_EXHAUSTED,
  );
  controller.abort();
  const results = await Promise.allSettled(waits);
  assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected"]);
});

Deno.test("Registry.waitFor() keeps a quarter of the places from whoever has the others", async () => {
  const registry = new Registry({ maxWaiters: 16 });
  const { signal } = new AbortController();
  const wait = (operator: string) => registry.waitFor("edge-1", { signal, operator });
  const waits = Array.from({ length: 12 }, () => wait("alice"));
  await assert.rejects(
    wait("alice"),
    (error) => error instanceof RpcError && error.code === Status.RESOURCE_EXHAUSTED,
  );
  waits.push(wait("bob"));
  const tunnel = register(registry, "edge-1");
  assert.deepEqual(new Set(await Promise.all(waits)), new Set([tunnel]));
  tunnel.close({ reason: "Away", by: "server" });
  const again = wait("alice");
  register(registry, "edge-1");
  await again;
});

Deno.test("Registry.endWaits() tells all who wait that nothing was delivered, and who comes later", async () => {
  const registry = new Registry();
  const { signal } = new AbortController();
  const waits = ["a", "b"].map((name) => registry.waitFor(name, { signal }));
  registry.endWaits();
  for (const wait of [...waits, registry.waitFor("c", { signal })]) {
    await assert.rejects(
      wait,
      (error) => error instanceof RpcError && error.code === Status.UNAVAILABLE,
    );
  }
  assert.equal(registry.waiting, 0);
});

/** The naive twin: every tunnel ever added, searched from the start each time. */
class Model {
  readonly registered: FakeTunnel[] = [];

  add(tunnel: FakeTunnel): void {
    if (tunnel.state === "closed" || this.registered.includes(tunnel)) return;
    const same = this.registered.filter(({ info }) => info.name === tunnel.info.name);
    if (same.some(({ generation }) => generation > tunnel.generation)) return;
    const draining = same.filter(({ state }) => state === "draining");
    for (const old of same) {
      if (!draining.slice(-MAX_DRAINING).includes(old)) this.remove(old);
    }
    this.registered.push(tunnel);
  }

  remove(tunnel: FakeTunnel): void {
    const index = this.registered.indexOf(tunnel);
    if (index >= 0) this.registered.splice(index, 1);
  }

  pick(name: string): FakeTunnel | undefined {
    const newest = this.registered.filter(({ info }) => info.name === name)
      .sort((a, b) => a.generation - b.generation).at(-1);
    return newest?.state === "open" ? newest : undefined;
  }
}

Deno.test("Registry agrees with a naive model on random sequences", async () => {
  const names = ["a", "b"];
  const step = fc.record({
    op: fc.constantFrom("dial", "add", "add", "close", "dispose", "drain"),
    name: fc.constantFrom(...names),
    which: fc.nat(7),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      const registry = new Registry();
      const model = new Model();
      const live = new Set<unknown>();
      using _ = registry.onChange((event) => {
        if (event.type === "added") {
          assert.ok(!live.has(event.tunnel), "added twice");
          live.add(event.tunnel);
        }
        if (event.type === "removed") assert.ok(live.delete(event.tunnel), "removed twice");
      });
      const tunnels: FakeTunnel[] = [];
      const entries = new Map<FakeTunnel, Disposable>();
      for (const { op, name, which } of steps) {
        if (op === "dial") tunnels.push(new FakeTunnel(name, registry.nextGeneration(name)));
        // Counted from the newest, so that short sequences collide.
        const tunnel = tunnels.at(-1 - which);
        if (tunnel === undefined) continue;
        if (op === "add" && !entries.has(tunnel)) {
          model.add(tunnel);
          entries.set(tunnel, registry.add(tunnel));
        }
        if (op === "close") {
          model.remove(tunnel);
          tunnel.close(GONE);
        }
        if (op === "dispose" && entries.has(tunnel)) {
          model.remove(tunnel);
          entries.get(tunnel)?.[Symbol.dispose]();
        }
        if (op === "drain" && tunnel.state === "open") await tunnel.drain();
        await settle();
        for (const each of names) assert.equal(registry.pick(each), model.pick(each));
        assert.deepEqual(new Set(registry.list()), new Set(model.registered));
        assert.deepEqual(live, new Set(model.registered));
      }
      for (const added of entries.keys()) {
        if (model.registered.includes(added)) assert.notEqual(added.state, "closed");
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("Registry lets a tunnel end its calls that its own instance has renewed", async (t) => {
  const instance = "5f0c8f0e-0a1b-4c2d-8e3f-0123456789ab";
  const other = "6f0c8f0e-0a1b-4c2d-8e3f-0123456789ab";
  const table: [what: string, old: string, info: Partial<ServerInfo>, state: Tunnel["state"]][] = [
    ["renewed", instance, { instance, renews: true }, "draining"],
    ["dialled again", instance, { instance }, "closed"],
    ["another instance that says so", other, { instance, renews: true }, "closed"],
    ["nobody knows whose", "", { instance: "", renews: true }, "closed"],
  ];
  for (const [what, old, info, state] of table) {
    await t.step(what, () => {
      const registry = new Registry<FakeTunnel>();
      const first = new FakeTunnel("edge-1", 1, { instance: old });
      const second = new FakeTunnel("edge-1", 2, info);
      registry.add(first);
      registry.add(second);
      assert.equal(first.state, state);
      assert.equal(registry.pick("edge-1"), second);
    });
  }
});

Deno.test("C6: a tunnel that is renewed is expected for a while after the old one has closed", async () => {
  let nowMs = 0;
  const registry = new Registry({ now: () => nowMs });
  const old = register(registry, "edge-1/payments");
  assert.equal(registry.isRenewing("edge-1/payments"), false);
  Object.assign(old, { isRenewing: true });
  await old.drain();
  assert.equal(registry.isRenewing("edge-1/payments"), true);
  old.close(GONE);
  await settle();
  nowMs = RENEWAL_WAIT_MS - 1;
  assert.equal(registry.isRenewing("edge-1/payments"), true);
  nowMs = RENEWAL_WAIT_MS;
  assert.equal(registry.isRenewing("edge-1/payments"), false);
  // One that goes without a word is not expected.
  const next = register(registry, "edge-1/payments");
  next.close(GONE);
  await settle();
  assert.equal(registry.isRenewing("edge-1/payments"), false);
});

Deno.test("B8: one owner holds its share of the places for names, whatever it registers", () => {
  const registry = new Registry<FakeTunnel>({ maxServers: 100 });
  const register = (name: string, owner: string) => {
    const tunnel = Object.assign(new FakeTunnel(name, 1), { owner });
    const refusal = registry.admit(tunnel.info, owner);
    if (refusal === undefined) registry.add(tunnel);
    return { refusal, tunnel };
  };
  const all = Array.from({ length: 200 }, (_, i) => register(`edge-${i}`, "edge-*"));
  const held = all.filter(({ refusal }) => refusal === undefined);
  assert.equal(held.length, 75);
  assert.match(
    all.at(-1)!.refusal!.message,
    /"edge-\*" has 75 of the 100 servers, the rest is for/,
  );
  for (let i = 0; i < 20; i++) assert.equal(register(`site-${i}`, `site-${i}`).refusal, undefined);
  // Another server of its own name is no new name, and a place that was left can be had again.
  assert.equal(registry.admit(held[0]!.tunnel.info, "edge-*"), undefined);
  for (const { tunnel } of held) registry.add(tunnel)[Symbol.dispose]();
  assert.equal(register("edge-new", "edge-*").refusal, undefined);
});

Deno.test("B8: a name that another owner took over counts for that one", () => {
  const registry = new Registry<FakeTunnel>({ maxServers: 4 });
  const register = (name: string, owner: string, generation: number) =>
    registry.add(Object.assign(new FakeTunnel(name, generation), { owner }));
  register("a", "one", 1);
  register("b", "one", 1);
  const info = new FakeTunnel("c", 1).info;
  register("d", "other", 1);
  assert.equal(registry.admit(info, "one"), undefined);
  register("d", "one", 2);
  assert.equal(registry.admit(info, "one")?.status, 503);
  assert.equal(registry.admit(info, "other"), undefined);
});
