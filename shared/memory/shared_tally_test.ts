import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { SharedTally, tallyMemory } from "./shared_tally.ts";
import { SharedPlaces } from "./shared_places.ts";
import type { BusyResult, BusyWork } from "./testing/busy_thread.ts";

Deno.test("SharedTally is a map of numbers, whatever the order of what is done", () => {
  const name = fc.constantFrom(...Array.from({ length: 40 }, (_, i) => `name-${i}`), "", "Ä€𐍈");
  const steps = fc.array(fc.tuple(name, fc.integer({ min: -2, max: 3 })), { maxLength: 400 });
  fc.assert(fc.property(steps, (all) => {
    const tally = new SharedTally(tallyMemory(64));
    const twin = new Map<string, number>();
    for (const [who, wanted] of all) {
      const own = twin.get(who) ?? 0;
      const count = Math.max(wanted, -own);
      assert.equal(tally.add(who, count), own + count);
      if (own + count === 0) twin.delete(who);
      else twin.set(who, own + count);
      assert.equal(tally.size, twin.size);
    }
    for (const [who, number] of twin) assert.equal(tally.of(who), number);
    assert.equal(tally.sum, [...twin.values()].reduce((a, b) => a + b, 0));
    assert.equal(tally.most, Math.max(0, ...twin.values()));
  }));
});

Deno.test("SharedTally has one number for all names that are too many, and gets rid of it", () => {
  const tally = new SharedTally(tallyMemory(6));
  const names = Array.from({ length: 100 }, (_, i) => `name-${i}`);
  for (const name of names) assert.ok(tally.take(name, () => true));
  assert.equal(tally.sum, 100);
  assert.ok(tally.most > 80, "they are one");
  for (const name of names) tally.add(name, -1);
  assert.deepEqual([tally.sum, tally.size, tally.most], [0, 0, 0]);
});

Deno.test("SharedTally begins a period once, and forgets what is over", () => {
  const memory = tallyMemory(6);
  const [one, other] = [new SharedTally(memory), new SharedTally(memory)];
  one.beginPeriod(7);
  one.add("a", 1);
  other.beginPeriod(7);
  assert.equal(other.of("a"), 1);
  other.beginPeriod(8);
  assert.equal(one.of("a"), 0);
  for (const [name, number] of [["a", 10], ["b", 20], ["c", 30]] as const) one.add(name, number);
  other.forget((number) => number <= 20);
  assert.deepEqual([one.of("a"), one.of("b"), one.of("c"), one.size], [0, 0, 30, 1]);
  assert.equal(other.update("c", (before) => before + 1), 31);
});

Deno.test("SharedTally is exact while two threads change it", async () => {
  const memory = tallyMemory(8);
  const work: BusyWork = { memory, names: ["alice", "bob", "carol"], rounds: 60_000, max: 5 };
  const results = await Promise.all([busy(work), busy(work)]);
  for (const { taken, most } of results) {
    assert.ok(taken > 0);
    assert.ok(most <= work.max, `${most} at once`);
  }
  const tally = new SharedTally(memory);
  assert.deepEqual([tally.sum, tally.size], [0, 0]);
});

Deno.test("SharedPlaces are shared as those of FairShare are, over all who have them", () => {
  const memory = tallyMemory(8);
  const one = new SharedPlaces(new SharedTally(memory), 8);
  const other = new SharedPlaces(new SharedTally(memory), 8);
  const held = [];
  // Three quarters of eight, whichever of the two gives them.
  for (let i = 0; i < 6; i++) held.push((i % 2 === 0 ? one : other).take("alice"));
  assert.ok(held.every((place) => place !== undefined));
  assert.equal(one.take("alice"), undefined);
  assert.equal(other.take("alice"), undefined);
  const place = other.take("bob");
  assert.ok(place);
  place[Symbol.dispose]();
  place[Symbol.dispose]();
  for (const each of held) each?.[Symbol.dispose]();
  assert.ok(other.take("alice"));
});

/** Runs the work in a thread of its own. */
async function busy(work: BusyWork): Promise<BusyResult> {
  const thread = new Worker(new URL("./testing/busy_thread.ts", import.meta.url), {
    type: "module",
  });
  try {
    return await new Promise<BusyResult>((resolve, reject) => {
      thread.onmessage = ({ data }) => resolve(data);
      thread.onerror = (event) => reject(new Error(event.message));
      thread.postMessage(work);
    });
  } finally {
    thread.terminate();
  }
}
