import assert from "node:assert/strict";
import { backoff, jittered } from "./backoff.ts";

const most = () => 1 - Number.EPSILON;

Deno.test("backoff() doubles its bound up to the cap", async (t) => {
  const table: [n: number, bound: number][] = [
    [0, 500],
    [1, 1000],
    [2, 2000],
    [5, 16_000],
    [6, 30_000],
    [60, 30_000],
    [5000, 30_000],
  ];
  for (const [n, bound] of table) {
    await t.step(`n = ${n}`, () => {
      assert.ok(Math.abs(backoff(n, { random: most }) - bound) < 0.01);
      assert.equal(backoff(n, { random: () => 0 }), 0);
    });
  }
});

Deno.test("backoff() uses the whole interval", () => {
  const waits = Array.from({ length: 2000 }, () => backoff(2));
  assert.ok(waits.every((wait) => wait >= 0 && wait < 2000));
  assert.ok(waits.some((wait) => wait < 400) && waits.some((wait) => wait > 1600));
});

Deno.test("backoff() of no base never waits", () => {
  assert.equal(backoff(5000, { baseMs: 0 }), 0);
});

Deno.test("backoff() refuses what is no number", async (t) => {
  const table: [n: number, options: { baseMs?: number; capMs?: number }][] = [
    [-1, {}],
    [NaN, {}],
    [0, { baseMs: -1 }],
    [0, { capMs: NaN }],
  ];
  for (const [n, options] of table) {
    await t.step(
      JSON.stringify([n, options]),
      () => assert.throws(() => backoff(n, options), RangeError),
    );
  }
});

Deno.test("jittered() is shorter or longer by its share at the most", () => {
  const at = (number: number) => jittered(1000, { share: 0.25, random: () => number });
  assert.deepEqual([at(0), at(0.5), at(1)], [750, 1000, 1250]);
});
