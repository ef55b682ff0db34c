import assert from "node:assert/strict";
import {
  type DialOutcome,
  HERE_RETRY_MS,
  nextTry,
  SLOW_RETRY_MS,
  STABLE_MS,
} from "./retry_policy.ts";

const STABLE = { ageMs: STABLE_MS, spreadMs: 0 };
const SHORT = { ageMs: STABLE_MS - 1, spreadMs: 0 };

Deno.test("nextTry() follows its table", async (t) => {
  const failed = (status?: number, retryAfterMs?: number, lasting?: boolean): DialOutcome => {
    return { kind: "failed", status, retryAfterMs, lasting };
  };
  const table: [
    what: string,
    failures: number,
    outcome: DialOutcome,
    least: number,
    most: number,
    after: number,
    loud?: true,
  ][] = [
    ["first failure", 0, failed(), 0, 500, 1],
    ["fourth failure", 3, failed(), 0, 4000, 4],
    ["hundredth failure", 99, failed(), 0, 30_000, 100],
    ["lost when stable", 5, { kind: "lost", ...STABLE }, 0, 500, 0],
    ["lost too early: no reset", 5, { kind: "lost", ...SHORT }, 0, 16_000, 6],
    ["lost with a spread", 0, { kind: "lost", ...STABLE, spreadMs: 9000 }, 0, 9000, 0],
    ["a spread below the back-off", 5, { kind: "lost", ...SHORT, spreadMs: 10 }, 0, 16_000, 6],
    ["leaving", 0, { kind: "leaving", ...STABLE }, 0, 0, 0],
    ["leaving with a spread", 0, { kind: "leaving", ...STABLE, spreadMs: 9000 }, 0, 9000, 0],
    ["leaving too early", 2, { kind: "leaving", ...SHORT }, 0, 2000, 3],
    ["503", 0, failed(503), 0, 500, 1],
    ["503 with Retry-After", 0, failed(503, 7000), 7000, 7700, 1],
    ["429 with Retry-After: 0", 4, failed(429, 0), 0, 8000, 5],
    ["503 with a date that has come", 99, failed(503, 0), 0, 30_000, 100],
    ["503 with a date that has almost come", 0, failed(503, 400), 400, 500, 1],
    [
      "401 with Retry-After: 0",
      0,
      failed(401, 0),
      0.9 * SLOW_RETRY_MS,
      1.1 * SLOW_RETRY_MS,
      1,
      true,
    ],
    ["400", 0, failed(400), 0.9 * SLOW_RETRY_MS, 1.1 * SLOW_RETRY_MS, 1, true],
    ["401", 9, failed(401), 0.9 * SLOW_RETRY_MS, 1.1 * SLOW_RETRY_MS, 10, true],
    ["403", 0, failed(403), 0.9 * SLOW_RETRY_MS, 1.1 * SLOW_RETRY_MS, 1, true],
    ["409", 0, failed(409), 0.9 * SLOW_RETRY_MS, 1.1 * SLOW_RETRY_MS, 1, true],
    [
      "F6: a proxy's 407",
      3,
      failed(undefined, undefined, true),
      0.9 * SLOW_RETRY_MS,
      1.1 * SLOW_RETRY_MS,
      4,
      true,
    ],
    ["409 with Retry-After", 0, failed(409, 5000), 5000, 5500, 1, true],
    ["a hub that has it", 3, { kind: "here" }, 0.9 * HERE_RETRY_MS, 1.1 * HERE_RETRY_MS, 0],
  ];
  for (const [what, failures, outcome, least, most, after, loud = false] of table) {
    await t.step(what, () => {
      const low = nextTry(failures, outcome, { random: () => 0 });
      const high = nextTry(failures, outcome, { random: () => 1 });
      assert.deepEqual([low.waitMs, high.waitMs].map(Math.round), [least, most].map(Math.round));
      assert.deepEqual([low.failures, low.loud], [after, loud]);
    });
  }
});
