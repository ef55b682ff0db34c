import assert from "node:assert/strict";
import { configure, reset } from "@logtape/logtape";
import { Deadlines, type Expiring } from "./deadlines.ts";

/** Of something without a deadline. */
const NONE = { deadlineMs: 0, deadlinePlace: -1 };

/** Deadlines on a clock that stands still until it is set. */
function begin() {
  const clock = { ms: 1000 };
  const deadlines = new Deadlines(() => clock.ms);
  const expired: string[] = [];
  const named = (name: string, then: () => void = () => {}): Expiring => ({
    ...NONE,
    onDeadline() {
      expired.push(name);
      then();
    },
  });
  /** Sets the clock and waits until that was looked at: until a sentinel has expired. */
  const at = async (ms: number) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    deadlines.add({ ...NONE, onDeadline: resolve }, 0);
    clock.ms = Math.max(clock.ms + 50, ms);
    await promise;
  };
  return { deadlines, expired, named, at, [Symbol.dispose]: () => deadlines.close() };
}

Deno.test("Deadlines are never early, in order, and called once", async () => {
  using world = begin();
  const { deadlines, expired, named, at } = world;
  deadlines.add(named("second"), 2_000);
  deadlines.add(named("first"), 1_500);
  deadlines.add(named("third"), 9_999);
  await at(1_490);
  assert.deepEqual(expired, []);
  await at(1_550);
  assert.deepEqual(expired, ["first"]);
  await at(1_999);
  assert.deepEqual(expired, ["first"]);
  await at(20_000);
  await at(30_000);
  assert.deepEqual(expired, ["first", "second", "third"]);
});

Deno.test("Deadlines that have passed already are called at the next look", async () => {
  using world = begin();
  world.deadlines.add(world.named("past"), 10);
  await world.at(1_100);
  assert.deepEqual(world.expired, ["past"]);
});

Deno.test("Deadlines.remove() was faster", async () => {
  using world = begin();
  const { deadlines, expired, named, at } = world;
  const gone = named("gone");
  deadlines.add(gone, 1_200);
  deadlines.add(named("stays"), 1_200);
  deadlines.remove(gone);
  deadlines.remove(gone);
  await at(5_000);
  assert.deepEqual(expired, ["stays"]);
});

Deno.test("Deadlines: who ends may take out others that are due at the same moment", async () => {
  using world = begin();
  const { deadlines, expired, named, at } = world;
  const second = named("second");
  deadlines.add(named("first", () => deadlines.remove(second)), 1_200);
  deadlines.add(second, 1_200);
  await at(5_000);
  assert.deepEqual(expired, ["first"]);
});

Deno.test("Deadlines: who ends may add others", async () => {
  using world = begin();
  const { deadlines, expired, named, at } = world;
  deadlines.add(named("first", () => deadlines.add(named("second"), 0)), 1_200);
  await at(1_300);
  await at(1_400);
  assert.deepEqual(expired, ["first", "second"]);
});

Deno.test("Deadlines: who throws ends nobody else", async () => {
  const errors: unknown[] = [];
  await configure({
    sinks: { kept: ({ properties }) => errors.push(properties["error"]) },
    loggers: [
      { category: "hub", sinks: ["kept"] },
      { category: ["logtape", "meta"], sinks: [] },
    ],
    reset: true,
  });
  try {
    using world = begin();
    const { deadlines, expired, named, at } = world;
    deadlines.add(
      named("bad", () => {
        throw new Error("A bug");
      }),
      1_200,
    );
    deadlines.add(named("good"), 1_200);
    await at(2_000);
    assert.deepEqual(expired, ["bad", "good"]);
    assert.deepEqual(errors.map(String), ["Error: A bug"]);
  } finally {
    await reset();
  }
});

Deno.test("Deadlines: thousands, also after a long sleep of the machine", async () => {
  using world = begin();
  const { deadlines, at } = world;
  const order: number[] = [];
  for (let i = 0; i < 5_000; i++) {
    const atMs = 1_000 + (i * 7919) % 100_000;
    deadlines.add({ ...NONE, onDeadline: () => order.push(atMs) }, atMs);
  }
  await at(50_000);
  assert.ok(order.every((ms) => ms <= 50_000));
  await at(10_000_000);
  assert.equal(order.length, 5_000);
  assert.ok(order.every((ms, i) => i === 0 || ms >= order[i - 1]!), "in order");
});

Deno.test("Deadlines keep no timer when nothing waits", async () => {
  const deadlines = new Deadlines();
  const done = new Promise<void>((resolve) => deadlines.add({ ...NONE, onDeadline: resolve }, 0));
  await done; // The sanitizer finds a timer that is left.
  const other: Expiring = { ...NONE, onDeadline() {} };
  deadlines.add(other, performance.now() + 1e6);
  assert.equal(deadlines.count, 1);
  deadlines.remove(other);
  assert.equal(deadlines.count, 0);
  deadlines.close();
});
