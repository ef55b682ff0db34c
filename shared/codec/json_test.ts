import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { readJson, writeJson } from "./json.ts";
import type { Node } from "./node.ts";
import type { Value } from "./value.ts";

/** What `JSON.parse` would make of it. */
function plain(node: Node): unknown {
  switch (node.kind) {
    case "object":
      return Object.fromEntries(node.entries.map(({ key, value }) => [key, plain(value)]));
    case "list":
      return node.items.map(plain);
    case "number":
      return Number(node.text);
    case "string":
      return node.text;
    case "boolean":
      return node.value;
    case "null":
      return null;
  }
}

/** The plain value with maps for objects. */
function valueOf(json: unknown): Value {
  if (Array.isArray(json)) return json.map(valueOf);
  if (typeof json !== "object" || json === null) return json as Value;
  return new Map(Object.entries(json).map(([key, value]) => [key, valueOf(value)]));
}

Deno.test("readJson() reads what JSON.parse reads", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), fc.nat(3), (json, indent) => {
      const [node, ...more] = readJson(JSON.stringify(json, null, indent));
      assert.equal(more.length, 0);
      assert.deepEqual(plain(node!), JSON.parse(JSON.stringify(json)));
    }),
  );
});

Deno.test("readJson() accepts exactly the texts that JSON.parse accepts", () => {
  // JSON.parse takes one value; some texts here have none or several.
  const piece = fc.constantFrom(...'{}[]:,"\\ \n0123456789-+.eEtruefalsn/ub\u0001é', '"a"', "true");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }).map((parts) => `[${parts.join("")}]`), (text) => {
      const accepts = (read: () => unknown) => {
        try {
          return (read(), true);
        } catch {
          return false;
        }
      };
      const one = accepts(() => assert.equal(readJson(text).length, 1));
      assert.equal(one, accepts(() => JSON.parse(text)), text);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("readJson() keeps the digits and the places", () => {
  const [node, second] = readJson('{"a": 9223372036854775807}\n-0.10e+5');
  assert.deepEqual(node, {
    kind: "object",
    at: 0,
    entries: [{ key: "a", at: 1, value: { kind: "number", at: 6, text: "9223372036854775807" } }],
  });
  assert.deepEqual(second, { kind: "number", at: 27, text: "-0.10e+5" });
});

/** A terminal obeys these where they are not escaped; JSON.stringify leaves them as they are. */
const OBEYED = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

function escaped(json: string): string {
  const hex = (character: string) => character.charCodeAt(0).toString(16).padStart(4, "0");
  return json.replace(OBEYED, (character) => `\\u${hex(character)}`);
}

Deno.test("A4: writeJson() writes what JSON.stringify writes, with what terminals obey escaped", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), fc.nat(4), (json, indent) => {
      // Through text, because keys that are numbers come first in an object.
      const same = JSON.parse(JSON.stringify(json));
      assert.equal(
        writeJson(valueOf(same), { indent }),
        escaped(JSON.stringify(same, null, indent)),
      );
    }),
  );
});

Deno.test("A4: writeJson() escapes each character up to U+FFFF as the oracle says", () => {
  for (let code = 0; code <= 0xffff; code++) {
    const text = String.fromCharCode(code);
    const written = writeJson(text);
    assert.equal(written, escaped(JSON.stringify(text)));
    assert.equal(JSON.parse(written), text);
  }
});

Deno.test("writeJson() keeps -0 and the order of keys", () => {
  assert.equal(
    writeJson(new Map([["b", -0], ["1", 1], ["__proto__", 2]])),
    '{"b":-0,"1":1,"__proto__":2}',
  );
});
