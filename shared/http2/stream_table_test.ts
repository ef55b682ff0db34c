import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { Stream, type StreamEvents } from "./stream.ts";
import { StreamTable } from "./stream_table.ts";

const NONE: StreamEvents = {
  onHeaders() {},
  onData() {},
  onReset() {},
  onCredit() {},
  onDrained() {},
};

/** A table and what it should hold. */
function check(table: StreamTable, expected: ReadonlyMap<number, Stream>, ids: readonly number[]) {
  assert.equal(table.size, expected.size);
  for (const id of ids) assert.equal(table.get(id), expected.get(id));
  assert.deepEqual(table.list().map(({ id }) => id), [...expected.keys()].sort((a, b) => a - b));
}

Deno.test("StreamTable holds what it was given, whichever streams live long", () => {
  // Ids grow by steps; each stream leaves so many openings later.
  const plan = fc.array(fc.tuple(fc.integer({ min: 1, max: 700 }), fc.nat(60)), { maxLength: 120 });
  fc.assert(fc.property(plan, (plan) => {
    const table = new StreamTable();
    const expected = new Map<number, Stream>();
    const leaving = new Map<number, number[]>();
    let id = -1;
    plan.forEach(([step, lives], now) => {
      id += 2 * step;
      const stream = new Stream(id, NONE);
      table.add(stream);
      expected.set(id, stream);
      leaving.set(now + lives, [...leaving.get(now + lives) ?? [], id]);
      for (const gone of leaving.get(now) ?? []) {
        table.delete(gone);
        table.delete(gone);
        expected.delete(gone);
      }
      check(table, expected, [id, id - 2, id + 2, 1, ...expected.keys()]);
    });
  }));
});

Deno.test("StreamTable holds thousands at once, and none afterwards", () => {
  const table = new StreamTable();
  const expected = new Map<number, Stream>();
  for (let id = 1; id < 10_000; id += 2) {
    const stream = new Stream(id, NONE);
    table.add(stream);
    expected.set(id, stream);
  }
  check(table, expected, [...expected.keys()]);
  for (const id of [...expected.keys()]) table.delete(id);
  check(table, new Map(), [1, 3, 9_999]);
});
