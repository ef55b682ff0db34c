import assert from "node:assert/strict";
import { readRequestHead } from "../http1/request_head.ts";
import { trimBlanks } from "./blanks.ts";
import { parseLabels } from "../registration/labels.ts";

Deno.test("D3: only SP and HTAB are white space in a header", async (t) => {
  for (const other of ["\xa0", "\ufeff", "\u2003", "\u2028", "\x85", "\x0b"]) {
    await t.step(JSON.stringify(other), () => {
      assert.equal(trimBlanks(` \t${other}x${other}\t `), `${other}x${other}`);
      assert.equal(trimBlanks(other), other);
      assert.throws(() => parseLabels(`${other}env=prod`), SyntaxError);
    });
  }
  await t.step("a request head keeps U+00A0", () => {
    const bytes = Uint8Array.from(
      "GET / HTTP/1.1\r\nA: \t\xa0x\xa0 \r\nB: \xa0,y\r\n\r\n",
      (character) => character.charCodeAt(0),
    );
    const head = readRequestHead(bytes)!.head;
    assert.equal(head.one("a"), "\xa0x\xa0");
    assert.deepEqual(head.list("b"), ["\xa0", "y"]);
  });
});

Deno.test("trimBlanks() leaves what stands between", () => {
  assert.equal(trimBlanks(""), "");
  assert.equal(trimBlanks(" \t "), "");
  assert.equal(trimBlanks("a \t b"), "a \t b");
});
