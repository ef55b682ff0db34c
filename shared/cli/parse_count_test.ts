import assert from "node:assert/strict";
import { count } from "./parse_count.ts";

Deno.test("count() takes whole numbers of its range, and nothing else", () => {
  const { parse } = count({ from: 1, to: 100 });
  assert.deepEqual(["1", "42", "100"].map(parse), [1, 42, 100]);
  for (const text of ["0", "101", "-1", "1.5", "1e1", "0x1", " 1", "", "9".repeat(10)]) {
    assert.throws(() => parse(text), /is not a number from 1 to 100/, text);
  }
});
