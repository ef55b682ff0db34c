import assert from "node:assert/strict";
import fc from "fast-check";
import { editDistance, MAX_CANDIDATES, nearest } from "./nearest.ts";

/** The textbook's recursion: the naive twin. */
function naive(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  if (a[0] === b[0]) return naive(a.slice(1), b.slice(1));
  return 1 + Math.min(
    naive(a.slice(1), b),
    naive(a, b.slice(1)),
    naive(a.slice(1), b.slice(1)),
  );
}

Deno.test("editDistance() agrees with the naive twin up to its limit", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
  fc.assert(fc.property(word, word, fc.nat(6), (a, b, limit) => {
    assert.equal(editDistance(a, b, limit), Math.min(naive(a, b), limit + 1));
  }));
});

Deno.test("nearest() gives the likeliest names first, and no unlikely ones", async (t) => {
  const names = ["edge-1", "edge-2", "edge-11", "core", "edge-1/payments"];
  const table: [word: string, expected: string[]][] = [
    ["egde-1", ["edge-1"]],
    ["edge-3", ["edge-1", "edge-2", "edge-11"]],
    ["cor", ["core"]],
    ["edge", ["edge-1", "edge-1/payments", "edge-11"]],
    ["nothing-like-it", []],
    ["", []],
  ];
  for (const [word, expected] of table) {
    await t.step(JSON.stringify(word), () => assert.deepEqual(nearest(word, names), expected));
  }
});

Deno.test("nearest() looks at a bounded number of names", () => {
  let looked = 0;
  const names = {
    *[Symbol.iterator]() {
      for (;;) {
        looked++;
        yield "x".repeat(128);
      }
    },
  };
  assert.deepEqual(nearest("edge-1", names), []);
  assert.equal(looked, MAX_CANDIDATES + 1);
});
