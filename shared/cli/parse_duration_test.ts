import assert from "node:assert/strict";
import { formatDuration, MAX_DURATION_MS, parseDuration } from "./parse_duration.ts";
import { UsageError } from "./usage_error.ts";

Deno.test("parseDuration() reads what people type", async (t) => {
  const table: [text: string, ms: number][] = [
    ["0", 0],
    ["0s", 0],
    ["500ms", 500],
    ["5s", 5000],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["1h30m", 5_400_000],
    ["1m0s500ms", 60_500],
    ["24d", 2_073_600_000],
    [`${MAX_DURATION_MS}ms`, MAX_DURATION_MS],
  ];
  for (const [text, ms] of table) {
    await t.step(text, () => assert.equal(parseDuration(text), ms));
  }
});

Deno.test("parseDuration() refuses the rest", async (t) => {
  const table = [
    "",
    "5",
    "s",
    "-5s",
    "5 s",
    " 5s",
    "5s ",
    "1e3s",
    "5x",
    "5S",
    ".5s",
    "25d",
    "1h30",
  ];
  for (const text of [...table, `${MAX_DURATION_MS + 1}ms`]) {
    await t.step(JSON.stringify(text), () => assert.throws(() => parseDuration(text), UsageError));
  }
});

Deno.test("parseDuration() says which unit is missing", () => {
  assert.throws(() => parseDuration("30"), { hint: "The unit is missing: write 30s or 30ms" });
});

Deno.test("formatDuration() writes what parseDuration() reads", () => {
  const table: [ms: number, text: string][] = [
    [0, "0"],
    [5, "5ms"],
    [5_000, "5s"],
    [90_500, "1m30s500ms"],
    [5_400_000, "1h30m"],
    [30 * 86_400_000 / 2, "15d"],
  ];
  for (const [ms, text] of table) {
    assert.equal(formatDuration(ms), text);
    assert.equal(parseDuration(text), ms);
  }
});

Deno.test("parseDuration() takes what no timer must keep as long as it is told", () => {
  const options = { maxMs: 365 * 86_400_000 };
  assert.equal(parseDuration("30d", options), 30 * 86_400_000);
  assert.throws(() => parseDuration("366d", options), { hint: "At most 365 days are possible" });
  assert.throws(() => parseDuration("30d"), { hint: "At most 24 days are possible" });
});
