import assert from "node:assert/strict";
import { slopeOf } from "./slope.ts";

Deno.test("slopeOf() gives the slope of a line, without doubt", () => {
  const { slope, error } = slopeOf([[1, 5], [2, 7], [3, 9], [10, 23]]);
  assert.ok(Math.abs(slope - 2) < 1e-9 && error < 1e-6);
});

Deno.test("slopeOf() doubts a slope that may be chance", () => {
  // By hand: Sxx = 10, Sxy = 2.4, Syy = 4.432; what is left of it is 4.432 - 0.24 · 2.4.
  const { slope, error } = slopeOf([[0, 1], [1, 3], [2, 2], [3, 1], [4, 3.2]]);
  assert.ok(Math.abs(slope - 0.24) < 1e-9, `slope ${slope}`);
  assert.ok(Math.abs(error - Math.sqrt(3.856 / 3 / 10)) < 1e-9, `error ${error}`);
});
