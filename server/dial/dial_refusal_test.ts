import assert from "node:assert/strict";
import { MAX_RETRY_AFTER_MS, messageOf, parseRetryAfter } from "./dial_refusal.ts";

Deno.test("parseRetryAfter() reads seconds and dates", async (t) => {
  const now = Date.UTC(2026, 0, 1);
  const table: [value: string | undefined, ms: number | undefined][] = [
    [undefined, undefined],
    ["0", 0],
    ["120", 120_000],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["999999999999", MAX_RETRY_AFTER_MS],
    ["soon", undefined],
  ];
  for (const [value, ms] of table) {
    await t.step(String(value), () => assert.equal(parseRetryAfter(value, now), ms));
  }
});

Deno.test("messageOf() takes a line out of anything", () => {
  assert.equal(messageOf("a\nb"), "a b");
  assert.equal(messageOf(" <!doctype html><p>x"), "");
  assert.equal(messageOf("x".repeat(1000)).length, 300);
});
