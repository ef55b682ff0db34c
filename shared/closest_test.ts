import assert from "node:assert/strict";
import { closest, distance } from "./closest.ts";

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
