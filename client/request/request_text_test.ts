import assert from "node:assert/strict";
import { UsageError } from "../../shared/cli/program.ts";
import { decodeText } from "./request_text.ts";

const utf16 = (text: string, mark: number[], littleEndian: boolean) =>
  new Uint8Array([
    ...mark,
    ...[...text].flatMap((one) => littleEndian ? [one.charCodeAt(0), 0] : [0, one.charCodeAt(0)]),
  ]);

Deno.test("decodeText() takes UTF-8, and says where other bytes are and what to do", async (t) => {
  const latin1 = (text: string) => Uint8Array.from(text, (one) => one.charCodeAt(0));
  const utf8 = new TextEncoder();
  assert.equal(decodeText(utf8.encode("\ufeff{}"), "stdin"), "{}");
  assert.equal(decodeText(utf8.encode("a: 日本\n"), "stdin"), "a: 日本\n");
  assert.equal(decodeText(new Uint8Array(), "stdin"), "");
  const table: [what: string, bytes: Uint8Array, line: number, hint: RegExp][] = [
    ["Latin-1 in its last line", latin1("a: b\nreason: caf\xe9"), 2, /iconv -f LATIN1/],
    ["Latin-1 before others", latin1("a: \xe9\nb: \xe9\n"), 1, /iconv -f LATIN1/],
    ["UTF-16LE with its mark", utf16("{}", [0xff, 0xfe], true), 1, /iconv -f UTF-16/],
    ["UTF-16BE with its mark", utf16("{}", [0xfe, 0xff], false), 1, /iconv -f UTF-16/],
    ["UTF-16LE without one", utf16("{}", [], true), 1, /iconv -f UTF-16/],
    ["UTF-16BE without one", utf16("{}", [], false), 1, /iconv -f UTF-16/],
  ];
  for (const [what, bytes, line, hint] of table) {
    await t.step(what, () => {
      assert.throws(() => decodeText(bytes, "stdin"), (error) => {
        assert.ok(error instanceof UsageError);
        assert.equal(error.message, `stdin:${line}: Expected UTF-8 text, found other bytes`);
        assert.match(error.hint ?? "", hint);
        return true;
      });
    });
  }
});
