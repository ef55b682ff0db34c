import assert from "node:assert/strict";
import { countSteps } from "../../tests/support/steps.ts";
import { closest, distance, MAX_CANDIDATES, nearest } from "./closest.ts";
import { fc } from "../testing/property.ts";

Deno.test("closest() finds slips of the finger and nothing else", async (t) => {
  const words = ["start", "stop", "status", "restart"];
  const table: [word: string, found: string | undefined][] = [
    ["strat", "start"],
    ["stp", "stop"],
    ["stauts", "status"],
    ["restrat", "restart"],
    ["start", "start"],
    ["x", undefined],
    ["reload", undefined],
    ["", undefined],
  ];
  for (const [word, found] of table) {
    await t.step(word || "(empty)", () => assert.equal(closest(word, words), found));
  }
});

Deno.test("closest() finds names in any case", async (t) => {
  const names = ["wait", "minHealthy", "skipValidate", "requestId", "reason"];
  const table: [name: string, meant: string | undefined][] = [
    ["wiat", "wait"],
    ["WAIT", "wait"],
    ["minhealthy", "minHealthy"],
    ["request_id", "requestId"],
    ["skipValidation", "skipValidate"],
    ["raeson", "reason"],
    ["x", undefined],
    ["somethingElse", undefined],
    ["", undefined],
  ];
  for (const [name, meant] of table) {
    await t.step(name, () => assert.equal(closest(name, names), meant));
  }
});

Deno.test("distance() counts edits", async (t) => {
  const table: [a: string, b: string, edits: number][] = [
    ["", "", 0],
    ["abc", "abc", 0],
    ["", "abc", 3],
    ["abc", "acb", 1],
    ["kitten", "sitting", 3],
  ];
  for (const [a, b, edits] of table) {
    await t.step(`${a} → ${b}`, () => {
      assert.equal(distance(a, b), edits);
      assert.equal(distance(b, a), edits);
    });
  }
});

/** The textbook's recursion: the naive twin. */
function naive(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  if (a[0] === b[0]) return naive(a.slice(1), b.slice(1));
  return 1 + Math.min(
    naive(a.slice(1), b),
    naive(a, b.slice(1)),
    naive(a.slice(1), b.slice(1)),
    a[0] === b[1] && a[1] === b[0] ? naive(a.slice(2), b.slice(2)) : Infinity,
  );
}

Deno.test("distance() agrees with its naive twin up to its limit", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
  fc.assert(fc.property(word, word, fc.nat(6), (a, b, limit) => {
    assert.equal(distance(a, b, { limit }), Math.min(naive(a, b), limit + 1));
  }));
});

Deno.test("nearest() gives the likeliest names first, and no unlikely ones", async (t) => {
  const names = ["edge-1", "edge-2", "edge-11", "core", "edge-1/payments"];
  const table: [word: string, expected: string[]][] = [
    ["egde-1", ["edge-1", "edge-11", "edge-2"]],
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

Deno.test("B7: the work for one word does not depend on how many candidates are alike", async (t) => {
  const long = "x".repeat(120);
  const candidates = Array.from({ length: MAX_CANDIDATES }, (_, i) => `${long}${i}`);
  for (const [name, act] of Object.entries({ closest, nearest })) {
    await t.step(name, async () => {
      act("warm up", candidates);
      const steps = await countSteps(() => act(`${long.slice(1)}y0`, candidates));
      assert.ok(steps < 1_000_000, `${steps} steps`);
    });
  }
});

Deno.test("nearest() finds what comparing all would find, for one slip", () => {
  const names = Array.from({ length: 500 }, (_, i) => `site-${i * 37}.customer-${i % 7}`);
  const name = fc.constantFrom(...names);
  const slip = fc.tuple(name, fc.nat(30), fc.constantFrom("", "q", "qq"));
  fc.assert(fc.property(slip, ([right, at, put]) => {
    const word = right.slice(0, at) + put + right.slice(at + 1);
    const limit = Math.max(2, Math.floor(word.length / 3));
    const least = Math.min(...names.map((one) => distance(word, one, { limit })));
    const [found = ""] = nearest(word, names);
    assert.equal(distance(word, found), least, `${word}: ${found}`);
  }));
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
