import assert from "node:assert/strict";
import { formatTimeout, parseTimeout } from "./timeout.ts";

Deno.test("parseTimeout() reads each unit", async (t) => {
  const table: [value: string, ms: number][] = [
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3000],
    ["250m", 250],
    ["500u", 0.5],
    ["99999999n", 99.999999],
    ["0S", 0],
  ];
  for (const [value, ms] of table) {
    await t.step(value, () => assert.equal(parseTimeout(value), ms));
  }
});

Deno.test("parseTimeout() refuses what the grammar does not have", async (t) => {
  for (const value of ["", "1", "S", "123456789S", "-1S", "1.5S", "1s", " 1S", "1S "]) {
    await t.step(
      JSON.stringify(value),
      () => assert.throws(() => parseTimeout(value), SyntaxError),
    );
  }
});

Deno.test("formatTimeout() never writes a timeout shorter than asked", () => {
  for (const ms of [0, 0.001, 1, 99.5, 100, 12_345.678, 1e8, 1e12]) {
    const back = parseTimeout(formatTimeout(ms));
    assert.ok(back >= ms - 1e-9 && back <= ms * 1.01 + 1e-6, `${ms} → ${back}`);
  }
  for (const ms of [-1, NaN, Infinity]) assert.throws(() => formatTimeout(ms), RangeError);
});
