import assert from "node:assert/strict";
import { EVERYTHING, NOTHING } from "../../shared/rules/rules.ts";
import { countSteps } from "../../tests/support/steps.ts";
import { MAX_REMEMBERED_NAMES, MAX_SEARCHES_PER_S, NearNames } from "./near_names.ts";

/** A registry of these names. */
function registryOf(names: readonly string[]) {
  return { changes: 0, looked: 0, known: () => names, names };
}

const ALL = { grant: EVERYTHING, sees: () => true };

Deno.test("B7: one misspelt name of 2,000 costs a bounded number of steps", async (t) => {
  const long = "x".repeat(100);
  const table: [what: string, names: string[], word: string, nearest: string][] = [
    ["short", numbered("edge-"), "egde-1234", "edge-1234"],
    ["long", numbered(`edge-${long}-`), `edge-${long.slice(0, 98)}yx-1234`, `edge-${long}-1234`],
    ["long, other end", numbered("", `-${long}`), `0123-${long.slice(0, 99)}y`, `0123-${long}`],
    ["prefixes", numbered("edge-"), "edge", "edge-0000"],
  ];
  for (const [what, names, word, nearest] of table) {
    await t.step(what, async () => {
      const near = new NearNames(registryOf(names));
      near.of("warm up", ALL);
      let found: readonly string[] = [];
      const steps = await countSteps(() => (found = near.of(word, ALL)));
      assert.equal(found[0], nearest);
      // At a nanosecond or two each it is less than a millisecond.
      assert.ok(steps < 700_000, `${steps} steps`);
    });
  }
});

function numbered(before: string, after = ""): string[] {
  return Array.from({ length: 2000 }, (_, i) => before + String(i).padStart(4, "0") + after);
}

Deno.test("B7: an answer is remembered until a name comes or goes, or another one asks", () => {
  let looked = 0;
  const registry = {
    changes: 0,
    known: () => {
      looked++;
      return ["edge-1"];
    },
  };
  const near = new NearNames(registry, () => 0);
  for (let i = 0; i < 10; i++) assert.deepEqual(near.of("edge-2", ALL), ["edge-1"]);
  assert.equal(looked, 1);
  registry.changes++;
  assert.deepEqual(near.of("edge-2", ALL), ["edge-1"]);
  assert.equal(looked, 2);
  assert.deepEqual(near.of("edge-2", { grant: NOTHING, sees: () => false }), []);
  assert.equal(looked, 3);
});

Deno.test("B7: searches are bounded in each second, and answers in number", () => {
  let looked = 0, now = 0;
  const registry = {
    changes: 0,
    known: () => {
      looked++;
      return ["edge-1"];
    },
  };
  const near = new NearNames(registry, () => now);
  for (let i = 0; i < 10_000; i++) near.of(`edge-${i + 2}`, ALL);
  assert.equal(looked, MAX_SEARCHES_PER_S);
  assert.deepEqual(near.of("edge-9", ALL), ["edge-1"], "an answer that is remembered");
  assert.deepEqual(near.of("edge-9999", ALL), [], "one that would need a search");
  for (let i = 0; i < 2 * MAX_REMEMBERED_NAMES; i++) {
    now += 1000;
    near.of(`edge-${i}x`, ALL);
  }
  looked = 0;
  near.of("edge-9", ALL);
  assert.equal(looked, 1, "the oldest are forgotten");
});
