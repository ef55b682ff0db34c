import assert from "node:assert/strict";
import { formatSize, parseSize } from "./parse_size.ts";
import { UsageError } from "./usage_error.ts";

Deno.test("parseSize() reads what people type", async (t) => {
  const table: [text: string, bytes: number][] = [
    ["0", 0],
    ["512", 512],
    ["512B", 512],
    ["64k", 65_536],
    ["64KiB", 65_536],
    ["64kb", 65_536],
    ["1.5M", 1_572_864],
    ["4MiB", 4_194_304],
    ["1GiB", 1_073_741_824],
    ["2T", 2 ** 41],
  ];
  for (const [text, bytes] of table) {
    await t.step(text, () => assert.equal(parseSize(text), bytes));
  }
});

Deno.test("parseSize() refuses the rest", async (t) => {
  for (const text of ["", "k", "-1", "1 k", "1x", "1.5", "1e3", "0x10", "99999999T"]) {
    await t.step(JSON.stringify(text), () => assert.throws(() => parseSize(text), UsageError));
  }
});

Deno.test("formatSize() writes what parseSize() reads", () => {
  const table: [bytes: number, text: string][] = [
    [0, "0"],
    [1000, "1000"],
    [64 << 10, "64KiB"],
    [1536, "1536"],
    [64 << 20, "64MiB"],
    [2 ** 31, "2GiB"],
  ];
  for (const [bytes, text] of table) {
    assert.equal(formatSize(bytes), text);
    assert.equal(parseSize(text), bytes);
  }
});
