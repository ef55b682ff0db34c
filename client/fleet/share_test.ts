import assert from "node:assert/strict";
import { countOf, parseShare, parseSomeShare } from "./share.ts";

Deno.test("a share is a number of servers or a part of them", () => {
  const table: [text: string, total: number, count: number][] = [
    ["0", 40, 0],
    ["10", 4, 10],
    ["25%", 40, 10],
    ["5%", 19, 0],
    ["100%", 7, 7],
  ];
  for (const [text, total, count] of table) {
    assert.equal(countOf(parseShare(text), total), count, `${text} of ${total}`);
  }
  for (const text of ["", "x", "-1", "1.5", "101%", "%", "1000000", "10 %"]) {
    assert.throws(() => parseShare(text), { name: "UsageError" }, text);
  }
  for (const text of ["0", "0%"]) {
    assert.throws(() => parseSomeShare(text), { name: "UsageError" }, text);
  }
});
