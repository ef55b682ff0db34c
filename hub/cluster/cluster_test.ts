import assert from "node:assert/strict";
import { until } from "../../tests/support/until.ts";
import { MemoryEngine } from "../engine/memory_engine.ts";
import { ClusterKeys, generationOf } from "./keys.ts";
import { encodeEpoch } from "./records.ts";
import { GivenEngine } from "./testing/given_engine.ts";
import { checkDepartures, checkForgetting } from "./testing/departures.ts";
import { type MemberTunnel, TestMember } from "./testing/member.ts";

const [A, B, C] = ["a", "b", "c"].map((letter) => letter.repeat(8));

function isMember(...members: readonly TestMember[]): Promise<true> {
  return until(
    "all to be members",
    () => members.every(({ cluster }) => cluster.state === "member") || undefined,
  );
}

/** Two hubs of one cluster. */
async function two() {
  const engine = new MemoryEngine();
  const one = new TestMember("one", engine);
  const other = new TestMember("other", engine);
  await isMember(one, other);
  await until(
    "both to see both",
    () => one.cluster.hubs().length === 2 && other.cluster.hubs().length === 2,
  );
  return {
    engine,
    one,
    other,
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Cluster: a server at one hub is known at the other one, until it leaves", async () => {
  await using world = await two();
  const { one, other } = world;
  const tunnel = await one.registered("edge-1", A!);
  const place = await until("the place", () => other.cluster.placesOf("edge-1")[0]);
  assert.deepEqual([place.hub.name, place.tunnel, place.generation, place.info.instance], [
    "one",
    tunnel.id,
    tunnel.generation,
    A,
  ]);
  assert.deepEqual([...other.cluster.names()], ["edge-1"]);
  assert.deepEqual(one.places("edge-1"), [], "its own is in its registry");
  tunnel.close({ reason: "The machine was switched off", by: "server" });
  await until("it to go", () => other.places("edge-1").length === 0);
  const left = await until("the departure", () => other.cluster.departureOf("edge-1")?.left);
  assert.deepEqual([left.hub, left.reason], ["one", "The machine was switched off"]);
});

Deno.test("Cluster: one instance may be at two hubs, and each place has a generation of its own", async () => {
  await using world = await two();
  const { one, other } = world;
  const first = await one.registered("edge-1", A!);
  const second = await other.registered("edge-1", A!);
  await until(
    "both places",
    () => one.places("edge-1")[0] === "other" && other.places("edge-1")[0] === "one",
  );
  assert.ok(second.generation > first.generation);
  assert.deepEqual([first.state, second.state], ["open", "open"]);
});

Deno.test("H11: another instance displaces the first one at whatever hub, and the third turn is refused", async () => {
  await using world = await two();
  const { one, other } = world;
  const gone = async (tunnel: MemberTunnel) => {
    await until("the displaced one to go", () => tunnel.state === "closed");
    return tunnel.closeReasons[0]!.reason;
  };
  const first = await one.registered("edge-1", A!);
  await until("its place", () => other.places("edge-1").length === 1);
  const second = await other.registered("edge-1", B!);
  assert.match(
    await gone(first),
    /Displaced by a newer registration of "edge-1" .* at hub "other"/,
  );
  await until("the place of B", () => one.places("edge-1").length === 1);
  const third = await one.registered("edge-1", A!);
  await gone(second);
  await until("the place of A", () => other.places("edge-1").length === 1);
  const fourth = await other.registered("edge-1", B!);
  await gone(third);
  await until("the place of B again", () => one.places("edge-1").length === 1);
  for (const member of [one, other]) {
    const refusal = await member.register("edge-1", member === one ? A! : C!);
    assert.ok("status" in refusal);
    assert.deepEqual([refusal.status, refusal.code], [409, "ALREADY_EXISTS"]);
    assert.match(refusal.message, /another living instance/);
  }
  assert.equal(fourth.state, "open");
  assert.deepEqual([...one.flaps, ...other.flaps].map(({ turns }) => turns), [2, 3]);
  assert.equal(one.cluster.departureOf("edge-1")?.flaps, 2);
  // What a list of this hub's own tunnels shows.
  assert.equal(other.registry.flaps("edge-1"), 2);
});

Deno.test("Cluster: while the engine is away nothing is cut, and servers are taken provisionally", async () => {
  await using world = await two();
  const { one, other } = world;
  const standing = await one.registered("edge-1", A!);
  const elsewhere = await other.registered("edge-2", B!);
  await until(
    "both views",
    () => one.places("edge-2").length + other.places("edge-1").length === 2,
  );
  one.engine.takeAway();
  other.engine.takeAway();
  await until(
    "both to be detached",
    () => one.cluster.state === "detached" && other.cluster.state === "detached",
  );
  assert.deepEqual([standing.state, elsewhere.state], ["open", "open"]);
  assert.deepEqual(one.places("edge-2"), ["other"], "the last view is used");
  assert.ok(one.cluster.usage.engineAwayS >= 0);
  const unknown = await one.registered("edge-3", C!);
  const again = await one.registered("edge-1", A!);
  assert.ok(again.generation > standing.generation);
  const same = await one.registered("edge-2", B!);
  const refusal = await one.register("edge-2", C!);
  assert.ok("status" in refusal);
  assert.deepEqual([refusal.status, refusal.retryAfterS], [503, 10]);
  assert.match(refusal.message, /hub "other" has it for another instance .* cannot be asked now/);
  assert.equal(one.cluster.usage.provisional, 3);
  one.engine.isAway = other.engine.isAway = false;
  await isMember(one, other);
  assert.equal(one.cluster.usage.provisional, 0);
  await until(
    "all to be known",
    () => ["edge-1", "edge-2", "edge-3"].every((name) => other.places(name).length === 1),
  );
  for (const tunnel of [unknown, again, same, elsewhere]) assert.equal(tunnel.state, "open");
  const [place] = other.cluster.placesOf("edge-3");
  assert.equal(place?.generation, unknown.generation, "the engine's generation is the tunnel's");
  assert.ok(unknown.generation > generationOf(1, 0));
});

Deno.test("Cluster: clones that both sides took while the engine was away are told apart after", async () => {
  await using world = await two();
  const { one, other } = world;
  one.engine.takeAway();
  other.engine.takeAway();
  await until(
    "both to be detached",
    () => one.cluster.state === "detached" && other.cluster.state === "detached",
  );
  const [first, second] = [
    await one.registered("edge-1", A!),
    await other.registered("edge-1", B!),
  ];
  one.engine.isAway = other.engine.isAway = false;
  await isMember(one, other);
  await until("one to lose", () => first.state === "closed" || second.state === "closed");
  const [loser] = [first, second].filter(({ state }) => state === "closed");
  assert.match(loser!.closeReasons[0]!.reason, /Displaced by a newer registration/);
  assert.deepEqual([first, second].filter(({ state }) => state === "open").length, 1);
});

Deno.test("Cluster: a hub whose session has ended joins again, and keeps all that stands", async () => {
  await using world = await two();
  const { engine, one, other } = world;
  const tunnels: MemberTunnel[] = [];
  for (let i = 0; i < 100; i++) tunnels.push(await one.registered(`edge-${i}`, A!));
  const generations = tunnels.map(({ generation }) => generation);
  const before = one.cluster.session!;
  await engine.revoke(before);
  await until(
    "another session",
    () => one.cluster.session !== before && one.cluster.state === "member",
  );
  await until("all places", () => [...other.cluster.names()].length === 100);
  assert.deepEqual(tunnels.map(({ generation }) => generation), generations);
  assert.ok(tunnels.every(({ state }) => state === "open"));
  assert.equal(other.cluster.placesOf("edge-7")[0]?.generation, generations[7]);
  const keys = new ClusterKeys("test");
  await until(
    "the sweep",
    async () => (await engine.read(keys.places(before))).entries.length === 0,
  );
});

Deno.test("H10: a hub that slept while its name went to another instance gives the name up", async () => {
  await using world = await two();
  const { engine, one, other } = world;
  const old = await one.registered("edge-1", A!);
  one.engine.takeAway();
  await engine.revoke(one.cluster.session!);
  await until("its places to go", () => other.cluster.hubs().length === 1);
  const newer = await other.registered("edge-1", B!);
  assert.equal(old.state, "open");
  one.engine.isAway = false;
  await until("the older one to go", () => old.state === "closed");
  assert.equal(newer.state, "open");
  assert.match(old.closeReasons[0]!.reason, /Displaced by a newer registration/);
});

Deno.test("Cluster: an engine that takes no writes is as good as away, until it does", async () => {
  await using world = await two();
  const { one } = world;
  one.engine.isFull = true;
  const tunnel = await one.registered("edge-1", A!);
  assert.equal(one.cluster.state, "detached");
  assert.match(one.cluster.usage.fault, /No room/);
  one.engine.isFull = false;
  await isMember(one);
  assert.equal(tunnel.state, "open");
  assert.ok(tunnel.generation > generationOf(1, 0));
});

Deno.test("Cluster: a claim that comes too late for its registration gives the tunnel its generation", async () => {
  await using world = await two();
  const { one, other } = world;
  const { promise, resolve } = Promise.withResolvers<void>();
  one.engine.hold = promise;
  const tunnel = await one.registered("edge-1", A!);
  assert.ok(tunnel.generation < generationOf(1, 0), "it is provisional");
  one.engine.hold = undefined;
  resolve();
  const [place] = await until("its place", () => {
    const places = other.cluster.placesOf("edge-1");
    return places.length > 0 && one.cluster.usage.provisional === 0 && places;
  });
  assert.equal(tunnel.generation, place!.generation);
});

Deno.test("Cluster: a server that left while the engine was away has no place in the same session any more", async () => {
  await using engine = new MemoryEngine();
  await using one = new TestMember("one", engine, { ttlMs: 6_000 });
  await using other = new TestMember("other", engine);
  await isMember(one, other);
  const { session } = one.cluster;
  const tunnel = await one.registered("edge-1", A!);
  await until("its place", () => other.places("edge-1").length === 1);
  one.engine.takeAway();
  await until("it to be detached", () => one.cluster.state === "detached");
  tunnel.close({ reason: "The machine was switched off", by: "server" });
  await tunnel.closed;
  assert.deepEqual(other.places("edge-1"), ["one"]);
  one.engine.isAway = false;
  await until("its place to go", () => other.places("edge-1").length === 0);
  assert.equal(one.cluster.session, session);
  const { left } = other.cluster.departureOf("edge-1")!;
  assert.equal(left?.reason, "The machine was switched off");
});

Deno.test("Cluster: a claim that comes too late for a tunnel that has ended gives it no place", async () => {
  await using world = await two();
  const { one, other } = world;
  const { promise, resolve } = Promise.withResolvers<void>();
  one.engine.hold = promise;
  const tunnel = await one.registered("edge-1", A!);
  assert.ok(tunnel.generation < generationOf(1, 0), "it is provisional");
  tunnel.close({ reason: "The machine was switched off", by: "server" });
  await tunnel.closed;
  one.engine.hold = undefined;
  resolve();
  const left = await until("the departure", () => other.cluster.departureOf("edge-1")?.left);
  assert.equal(left.reason, "The machine was switched off");
  assert.deepEqual(other.places("edge-1"), []);
});

Deno.test("Cluster: a claim that comes too late for a server that was refused gives it no place", async () => {
  await using world = await two();
  const { one, other } = world;
  await other.registered("edge-1", B!);
  await until("its place", () => one.places("edge-1").length === 1);
  const { promise, resolve } = Promise.withResolvers<void>();
  one.engine.hold = promise;
  const refusal = await one.register("edge-1", A!);
  assert.ok("status" in refusal);
  assert.match(refusal.message, /cannot be asked now/);
  one.engine.hold = undefined;
  resolve();
  const left = await until("the departure", () => other.cluster.departureOf("edge-1")?.left);
  assert.match(left.reason, /cannot be asked now/);
  assert.deepEqual(other.places("edge-1"), []);
});

Deno.test("Cluster: an engine that was set up again begins another epoch", async () => {
  await using first = new MemoryEngine();
  await using second = new MemoryEngine();
  const dir = await Deno.makeTempDir();
  let generation = 0;
  {
    await using one = new TestMember("one", first, { stateDir: dir });
    await isMember(one);
    const tunnel = await one.registered("edge-1", A!);
    generation = tunnel.generation;
  }
  {
    await using one = new TestMember("one", second, { stateDir: dir });
    await isMember(one);
    const tunnel = await one.registered("edge-1", A!);
    assert.ok(tunnel.generation >= generationOf(2, 0), `${tunnel.generation} above ${generation}`);
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("H9: a hub that starts ends the session of the one that died before it", async () => {
  await using engine = new MemoryEngine();
  const dir = await Deno.makeTempDir();
  const options = { stateDir: dir, ttlMs: 600_000, renewMs: 200 };
  const given = new GivenEngine(engine);
  const died = new TestMember("one", given, options);
  await isMember(died);
  await using other = new TestMember("other", engine);
  await until("both", () => other.cluster.hubs().length === 2);
  given.takeAway(); // It says nothing at its end, as one that was killed.
  await died[Symbol.asyncDispose]();
  assert.equal(other.cluster.hubs().length, 2);
  await using again = new TestMember("one", engine, options);
  await isMember(again);
  await until("the dead one to go", () => other.cluster.hubs().length === 2);
  assert.deepEqual(
    other.cluster.hubs().map(({ session }) => session).sort(),
    [other.cluster.session, again.cluster.session].sort(),
  );
  await Deno.remove(dir, { recursive: true });
});

Deno.test("Cluster: a hub that leaves says so first, and its record goes last", async () => {
  await using world = await two();
  const { one, other } = world;
  await one.registered("edge-1", A!);
  await one.cluster.leave();
  assert.equal(one.cluster.state, "leaving");
  await until("the state", () => other.cluster.hubs().some(({ state }) => state === "draining"));
  await one[Symbol.asyncDispose]();
  await until("its end", () => other.cluster.hubs().length === 1);
});

Deno.test("Cluster: two processes of one hub's name are two hubs", async () => {
  await using engine = new MemoryEngine();
  await using first = new TestMember("one", engine);
  await using second = new TestMember("one", engine);
  await isMember(first, second);
  await first.registered("edge-1", A!);
  await until("its place", () => second.places("edge-1").length === 1);
  assert.equal(second.cluster.hubs().length, 2);
});

Deno.test("Cluster: values that are no records change nothing", async () => {
  await using world = await two();
  const { engine, one } = world;
  const keys = new ClusterKeys("test");
  for (
    const key of [
      keys.hub("x"),
      keys.place("x", "edge-1"),
      keys.name("edge-1"),
      `${keys.prefix}other`,
    ]
  ) {
    await engine.commit({ conditions: [], writes: [{ put: key, value: encodeEpoch(7) }] });
  }
  const tunnel = await one.registered("edge-1", A!);
  assert.equal(tunnel.state, "open");
  assert.equal(one.cluster.hubs().length, 2);
});

for (
  const [name, check] of [
    ["H17: servers of a hub that died are away, and their departure says so", checkDepartures],
    ["H17: names that are away are forgotten after a time, and beyond a number", checkForgetting],
  ] as const
) {
  Deno.test(name, async () => {
    await using engine = new MemoryEngine();
    await check({
      open: () => new GivenEngine(engine),
      times: { ttlMs: 2_000, renewMs: 200 },
    });
  });
}
