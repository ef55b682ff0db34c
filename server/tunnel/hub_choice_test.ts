import assert from "node:assert/strict";
import { chooseHubs, type Standing } from "./hub_choice.ts";

const LETTERS: Readonly<Record<string, Standing>> = {
  "-": "idle",
  n: "new",
  S: "serving",
  "=": "same",
  f: "failed",
};

Deno.test("chooseHubs() follows its table", async (t) => {
  const table: [what: string, places: string, most: number, start: number[], stop: number[]][] = [
    ["one hub is dialled", "-", 1, [0], []],
    ["of three the best two are dialled", "---", 2, [0, 1], []],
    ["nothing more while these may succeed", "nn-", 2, [], []],
    ["the best fails: the third is dialled", "fn-", 2, [2], []],
    ["both fail: the third is dialled, once", "ff-", 2, [2], []],
    ["all fail: all are tried again", "fff", 2, [], []],
    ["two serve: the third stays idle", "SS-", 2, [], []],
    ["the best is missing: it is tried on, the others stay", "fSS", 2, [], []],
    ["the best is back: the worst goes", "SSS", 2, [], [2]],
    ["one that fails behind two that serve is given up", "SSf", 2, [], [2]],
    ["one under way behind two that serve is given up", "SSn", 2, [], [2]],
    ["a better one is being dialled: the worse stay until it serves", "nSS", 2, [], []],
    ["a new hub that is better is dialled next to those that serve", "-SS", 2, [0], []],
    ["the same hub by another address: the next one is dialled", "=S-", 2, [2], []],
    ["… which may be the last", "=S", 2, [], []],
    ["two are wanted of four, and three fail", "fffS", 2, [], []],
    ["every hub that is given", "---", 3, [0, 1, 2], []],
  ];
  for (const [what, places, most, start, stop] of table) {
    await t.step(`${what}: ${places}`, () => {
      const candidates = [...places].map((letter, i) => ({
        standing: LETTERS[letter]!,
        group: String(i),
      }));
      const choice = chooseHubs(candidates, most);
      assert.deepEqual([choice.start, choice.stop], [start, stop]);
    });
  }
});

Deno.test("chooseHubs() dials places that may be one hub one after the other", () => {
  const idle = { standing: "idle", group: "balancer" } as const;
  assert.deepEqual(chooseHubs([idle, idle], 2).start, [0]);
  assert.deepEqual(chooseHubs([{ ...idle, standing: "new" }, idle], 2).start, []);
  assert.deepEqual(chooseHubs([{ ...idle, standing: "serving" }, idle], 2).start, [1]);
  assert.deepEqual(chooseHubs([{ ...idle, standing: "failed" }, idle], 2).start, [1]);
});

Deno.test("chooseHubs() leaves a place that is gone when others serve, and never dials it", () => {
  const gone = { standing: "serving", group: "b", isGone: true } as const;
  const place = { standing: "serving", group: "a" } as const;
  assert.deepEqual(chooseHubs([{ ...place, standing: "new" }, gone], 1).stop, []);
  assert.deepEqual(chooseHubs([place, gone], 1).stop, [1]);
  assert.deepEqual(chooseHubs([place, { ...gone, standing: "failed" }], 2).stop, [1]);
  assert.deepEqual(chooseHubs([place, { ...gone, standing: "idle" }], 2).start, []);
});
