import assert from "node:assert/strict";
import { Admission, MAX_RETRY_S } from "./admission.ts";

Deno.test("Admission lets in what fits into a second, and spreads the others", () => {
  let nowMs = 0;
  const admission = new Admission({ perSecond: 10, now: () => nowMs });
  const answers = Array.from({ length: 50 }, () => admission.retryAfterS());
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
  assert.notEqual(admission.retryAfterS(), undefined);
  nowMs = 1_000;
  assert.equal(admission.retryAfterS(), undefined);
});

Deno.test("Admission admits at most perSecond in any second", () => {
  let nowMs = 0;
  const admission = new Admission({ perSecond: 7, now: () => nowMs });
  const admitted: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    nowMs += Math.random() * 100;
    if (admission.retryAfterS() === undefined) admitted.push(nowMs);
  }
  assert.ok(admitted.length > 1_000);
  for (const [i, at] of admitted.entries()) {
    const inSecond = admitted.slice(i, i + 8).filter((other) => other - at < 1_000).length;
    assert.ok(inSecond <= 7, `${inSecond} from ${at} ms on`);
  }
});

Deno.test("Admission sends nobody away for longer than its bound", () => {
  const admission = new Admission({ perSecond: 1, now: () => 0 });
  for (let i = 0; i < 10_000; i++) assert.ok((admission.retryAfterS() ?? 0) <= MAX_RETRY_S);
});

Deno.test("Admission: servers that obey are all in, soon after the shortest time that is possible", () => {
  let nowMs = 0;
  const admission = new Admission({ perSecond: 100, now: () => nowMs });
  let waiting: number[] = Array.from({ length: 1_000 }, () => Math.random() * 100);
  let tries = 0;
  for (; waiting.length > 0; nowMs++) {
    const due = waiting.filter((atMs) => atMs <= nowMs);
    waiting = waiting.filter((atMs) => atMs > nowMs);
    for (const _ of due) {
      tries++;
      const afterS = admission.retryAfterS();
      // As a server waits: never earlier than asked, up to a tenth later.
      if (afterS !== undefined) waiting.push(nowMs + afterS * 1_000 * (1 + Math.random() / 10));
    }
  }
  assert.ok(nowMs < 20_000, `${nowMs} ms for 1000 at 100 per second`);
  assert.ok(tries < 4_000, `${tries} tries`);
});
