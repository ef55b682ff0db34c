import assert from "node:assert/strict";
import { type Format, formatOfPath, sniffFormat } from "./format.ts";

Deno.test("formatOfPath() knows extensions", async (t) => {
  const table: [path: string, format: Format | undefined][] = [
    ["req.json", "json"],
    ["req.ndjson", "json"],
    ["a/b.c/REQ.YML", "yaml"],
    ["req.yaml", "yaml"],
    ["req.xml", "xml"],
    ["req.txt", undefined],
    ["json", undefined],
    ["req.json.gz", undefined],
    ["req.constructor", undefined],
    ["", undefined],
  ];
  for (const [path, format] of table) {
    await t.step(path, () => assert.equal(formatOfPath(path), format));
  }
});

Deno.test("sniffFormat() looks at the first character", async (t) => {
  const table: [text: string, format: Format][] = [
    ['{"a":1}', "json"],
    [" \r\n\t[", "json"],
    ["\ufeff{", "json"],
    ["\n<All/>", "xml"],
    ["\ufeff<?xml?>", "xml"],
    ["a: 1", "yaml"],
    ["---\n{}", "yaml"],
    ["# {", "yaml"],
    ["", "yaml"],
  ];
  for (const [text, format] of table) {
    await t.step(JSON.stringify(text), () => assert.equal(sniffFormat(text), format));
  }
});
