/** What a server sends is shown on a terminal: it must not be able to clear it, in any format. */
import assert from "node:assert/strict";
import { root } from "../grpc/root.ts";
import { OBEYED } from "../text/safe_json.ts";
import { readMessages, writeMessage } from "./document.ts";

const TEXTS: Readonly<Record<string, string>> = {
  "one line": "a\u009b2Jb",
  "lines": "a\n\u009b2J\u0085b\n",
  "markup": "<a>\n\u009b2J&</a>\n",
  "separators and directions": "a\u2028b\u2029c\u202ed\u2066e",
};

Deno.test("no format writes what a terminal obeys, and each reads it back", async (t) => {
  const type = root.lookupType("google.rpc.ErrorInfo");
  for (const format of ["json", "prettyjson", "yaml", "xml"] as const) {
    for (const [name, text] of Object.entries(TEXTS)) {
      await t.step(`${format}, ${name}`, () => {
        const message = type.create({ reason: text, metadata: { [text.replace("\n", "")]: text } });
        const written = writeMessage(message, { type, format });
        assert.ok(written.search(OBEYED) < 0, JSON.stringify(written));
        const read = format === "prettyjson" ? "json" : format;
        const [back] = readMessages(written, { type, format: read, source: "test" });
        assert.deepEqual(type.toObject(back!), type.toObject(message));
      });
    }
  }
});
