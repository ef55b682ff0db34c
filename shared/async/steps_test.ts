import assert from "node:assert/strict";
import { atOnce, inTurns, type Steps } from "./steps.ts";

function* count(to: number, seen: number[]): Steps<string> {
  for (let i = 0; i < to; i++) {
    seen.push(i);
    yield;
  }
  return "counted";
}

Deno.test("atOnce() runs steps to their end and gives what they return", () => {
  const seen: number[] = [];
  assert.equal(atOnce(count(3, seen)), "counted");
  assert.deepEqual(seen, [0, 1, 2]);
});

Deno.test("inTurns() waits for the next turn whenever this one is over", async () => {
  const seen: number[] = [];
  const waited: number[] = [];
  const turns = {
    isOver: () => seen.length % 2 === 0,
    next: () => {
      waited.push(seen.length);
      return Promise.resolve();
    },
  };
  assert.equal(await inTurns(count(5, seen), turns), "counted");
  assert.deepEqual(waited, [2, 4]);
});

Deno.test("inTurns() rejects with what the steps throw", async () => {
  function* fail(): Steps<never> {
    yield;
    throw new Error("broken");
  }
  await assert.rejects(inTurns(fail()), /broken/);
});

Deno.test("inTurns() rests before it takes its next turn", async () => {
  const { setTimeout } = globalThis;
  const rests: unknown[] = [];
  globalThis.setTimeout = ((rested: () => void, ms: number) => {
    rests.push(ms);
    return setTimeout(rested, 0);
  }) as typeof setTimeout;
  const restsAtTurns: number[] = [];
  const turns = {
    isOver: () => true,
    next: () => {
      restsAtTurns.push(rests.length);
      return Promise.resolve();
    },
  };
  try {
    await inTurns(count(2, []), turns);
  } finally {
    globalThis.setTimeout = setTimeout;
  }
  assert.deepEqual([rests, restsAtTurns], [[6, 6], [1, 2]]);
});
