import assert from "node:assert/strict";
import { randomFrom } from "../../shared/testing/property.ts";
import { HandshakeRate, MAX_RETRY_S } from "./handshake_rate.ts";

Deno.test("HandshakeRate lets in what fits into a second, and spreads the others", () => {
  let nowMs = 0;
  const admission = new HandshakeRate({ perSecond: 10, now: () => nowMs });
  const answers = Array.from({ length: 50 }, () => admission.retryAfterS("fleet"));
  assert.equal(answers.filter((answer) => answer === undefined).length, 10);
  const perSecond = Map.groupBy(answers.filter((answer) => answer !== undefined), (s) => s);
  assert.deepEqual([...perSecond].map(([s, all]) => [s, all.length]), [
    [1, 8],
    [2, 8],
    [3, 8],
    [4, 8],
    [5, 8],
  ]);
  nowMs = 999;
  assert.notEqual(admission.retryAfterS("fleet"), undefined);
  nowMs = 1_000;
  assert.equal(admission.retryAfterS("fleet"), undefined);
});

Deno.test("HandshakeRate admits at most perSecond in any second", () => {
  let nowMs = 0;
  const random = randomFrom();
  const admission = new HandshakeRate({ perSecond: 7, now: () => nowMs });
  const admitted: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    nowMs += random(100_000) / 1_000;
    if (admission.retryAfterS("fleet") === undefined) admitted.push(nowMs);
  }
  assert.ok(admitted.length > 1_000);
  for (const [i, at] of admitted.entries()) {
    const inSecond = admitted.slice(i, i + 8).filter((other) => other - at < 1_000).length;
    assert.ok(inSecond <= 7, `${inSecond} from ${at} ms on`);
  }
});

Deno.test("HandshakeRate sends nobody away for longer than its bound", () => {
  const admission = new HandshakeRate({ perSecond: 1, now: () => 0 });
  for (let i = 0; i < 10_000; i++) assert.ok((admission.retryAfterS("fleet") ?? 0) <= MAX_RETRY_S);
});

Deno.test("HandshakeRate: servers that obey are all in, soon after the shortest time that is possible", () => {
  let nowMs = 0;
  const random = randomFrom();
  const admission = new HandshakeRate({ perSecond: 100, now: () => nowMs });
  let waiting: number[] = Array.from({ length: 1_000 }, () => random(100_000) / 1_000);
  let tries = 0;
  for (; waiting.length > 0; nowMs++) {
    const due = waiting.filter((atMs) => atMs <= nowMs);
    waiting = waiting.filter((atMs) => atMs > nowMs);
    for (const _ of due) {
      tries++;
      const afterS = admission.retryAfterS("fleet");
      // As a server waits: never earlier than asked, up to a tenth later.
      if (afterS !== undefined) waiting.push(nowMs + afterS * 1_000 * (1 + random(1_000) / 10_000));
    }
  }
  assert.ok(nowMs < 20_000, `${nowMs} ms for 1000 at 100 per second`);
  assert.ok(tries < 4_000, `${tries} tries`);
});

Deno.test("B8: one entry of many names neither takes all places of a second, nor makes others wait", () => {
  let nowMs = 0;
  const admission = new HandshakeRate({ perSecond: 20, now: () => nowMs });
  const seen: (number | undefined)[] = [];
  const flood: (number | undefined)[] = [];
  for (; nowMs < 60_000; nowMs += 50) {
    for (let i = 0; i < 100; i++) flood.push(admission.retryAfterS("edge-*"));
    if (nowMs % 1_000 === 500) seen.push(admission.retryAfterS("honest"));
  }
  assert.ok(seen.slice(1).every((afterS) => afterS === undefined), seen.join());
  assert.ok((seen[0] ?? 0) <= 1, "the first one finds the place taken of who was alone");
  const admitted = flood.filter((afterS) => afterS === undefined).length;
  assert.ok(admitted >= 60 * 15 && admitted <= 60 * 16 + 20, `${admitted} of the flood`);
  assert.equal(flood.at(-1), MAX_RETRY_S, "who asks too much is sent away for longer");
});

Deno.test("HandshakeRate leaves all places to who is alone again", () => {
  let nowMs = 0;
  const admission = new HandshakeRate({ perSecond: 20, now: () => nowMs });
  const inOneSecond = () => {
    nowMs += 1_000;
    return Array.from({ length: 30 }, () => admission.retryAfterS("a"))
      .filter((afterS) => afterS === undefined).length;
  };
  assert.equal(inOneSecond(), 20);
  admission.retryAfterS("b");
  assert.equal(inOneSecond(), 15);
  nowMs += MAX_RETRY_S * 1_000;
  assert.equal(inOneSecond(), 20);
});
