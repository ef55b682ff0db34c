import assert from "node:assert/strict";
import { fc } from "../testing/property.ts";
import { DocumentSplitter } from "./document_splitter.ts";
import type { Format } from "./format.ts";

/** The documents of a text that comes in these pieces, without blanks around them. */
function split(pieces: Iterable<string>, format?: Format): string[] {
  const splitter = new DocumentSplitter(format);
  const found: string[] = [];
  for (const piece of pieces) found.push(...[...splitter.push(piece)].map(({ text }) => text));
  found.push(...[...splitter.end()].map(({ text }) => text));
  return found.map((text) => text.trim());
}

const TABLE: [name: string, text: string, expected: string[]][] = [
  ["NDJSON", '{"a":1}\n{"a":2}\n', ['{"a":1}', '{"a":2}']],
  ["JSON on one line", '{"a":1}{"b":[{}]} {}', ['{"a":1}', '{"b":[{}]}', "{}"]],
  ["JSON on several lines", '{\n  "a": 1\n}\n{\n}\n', ['{\n  "a": 1\n}', "{\n}"]],
  ["JSON with brackets in strings", '{"a":"}\\"{\\\\"}\n{}', ['{"a":"}\\"{\\\\"}', "{}"]],
  ["a list", '[{"a":1},\n{"a":2}]\n[]', ['[{"a":1},\n{"a":2}]', "[]"]],
  ["JSON after a byte order mark", "\ufeff{}\n{}", ["{}", "{}"]],
  ["YAML", "a: 1\n---\na: 2\n---\n", ["a: 1", "---\na: 2"]],
  ["YAML, all marked", "---\na: 1\n---\na: 2\n", ["---\na: 1", "---\na: 2"]],
  ["YAML on the line of the mark", "--- {a: 1}\n--- {a: 2}\n", ["--- {a: 1}", "--- {a: 2}"]],
  ["YAML with ends", "a: 1\n...\n---\na: 2\n...\n", ["a: 1\n...", "---\na: 2\n..."]],
  ["an empty YAML document", "---\n---\na: 1\n", ["---", "---\na: 1"]],
  ["YAML with directives", "# c\n%YAML 1.2\n---\na: 1\n", ["# c\n%YAML 1.2\n---\na: 1"]],
  ["YAML with dashes in a text", "a: |\n  ---\n  b\n---\n{}", ["a: |\n  ---\n  b", "---\n{}"]],
  ["YAML with CRLF", "a: 1\r\n---\r\na: 2\r\n", ["a: 1", "---\r\na: 2"]],
  ["XML", "<M><a>1</a></M>\n<M/>", ["<M><a>1</a></M>", "<M/>"]],
  [
    "XML with declarations and comments",
    '<?xml version="1.0"?>\n<!-- <a> -->\n<M a=">"/>\n<?xml version="1.0"?>\n<M><!-- </M> --></M>\n',
    [
      '<?xml version="1.0"?>\n<!-- <a> -->\n<M a=">"/>',
      '<?xml version="1.0"?>\n<M><!-- </M> --></M>',
    ],
  ],
  ["XML with CDATA", "<M><![CDATA[</M><]]></M><M/>", ["<M><![CDATA[</M><]]></M>", "<M/>"]],
  ["nothing", " \n\t\n", []],
];

Deno.test("DocumentSplitter cuts between documents", async (t) => {
  for (const [name, text, expected] of TABLE) {
    await t.step(name, () => assert.deepEqual(split([text]), expected));
    await t.step(`${name}, by the character`, () => assert.deepEqual(split(text), expected));
  }
});

Deno.test("DocumentSplitter gives a document out as soon as it is complete", async (t) => {
  const table: [text: string, complete: number][] = [
    ['{"a":1}', 1],
    ['{"a":1}{"a"', 1],
    ['[{"a":1}', 0],
    ["1", 0],
    ["1 ", 1],
    ['"a"', 1],
    ["a: 1\n", 0],
    ["a: 1\n---", 0],
    ["a: 1\n---\n", 1],
    ["<M/>", 1],
    ["<M><a/>", 0],
  ];
  for (const [text, complete] of table) {
    await t.step(JSON.stringify(text), () => {
      const format = /^[1"]/.test(text) ? "json" : undefined;
      assert.equal([...new DocumentSplitter(format).push(text)].length, complete);
    });
  }
});

Deno.test("DocumentSplitter does not wait for the end of what is broken", async (t) => {
  const table: [text: string, expected: string][] = [
    ['{"a":\n{"a":1}\n{"a":1}\n', '{"a":\n{"a":1}\n{'],
    ['{"a":1,}\n', '{"a":1,}'],
    ['{"a"1}', '{"a"1'],
    ['{"a":"b\n{}', '{"a":"b\n'],
    ['{"a":[1}', '{"a":[1}'],
    ["{a: 1}", "{a"],
    ["]", "]"],
    ["<M/>\njunk\n", "junk"],
    ["</M>", "</M>"],
    ["<!DOCTYPE x [\n", "<!DOCTYPE x [\n"],
  ];
  for (const [text, expected] of table) {
    await t.step(JSON.stringify(text), () => {
      const format = text.startsWith("]") ? "json" : undefined;
      const found = [...new DocumentSplitter(format).push(text)].map(({ text }) => text);
      assert.equal(found.find((one) => one !== "<M/>")?.trim(), expected.trim());
    });
  }
});

Deno.test("DocumentSplitter says where each document begins", () => {
  const splitter = new DocumentSplitter();
  const found = [...splitter.push('{"ä":1} {}\n\n{"a":2}\r\n{}')];
  assert.deepEqual(found.map(({ line, column }) => [line, column]), [
    [1, 1],
    [1, 8],
    [1, 11],
    [3, 8],
  ]);
});

Deno.test("DocumentSplitter cuts JSON alike, however it comes", () => {
  const values = fc.array(fc.oneof(fc.jsonValue(), fc.string()), { maxLength: 6 });
  fc.assert(
    fc.property(values, fc.constantFrom(0, 2), fc.array(fc.nat(60)), (values, indent, cuts) => {
      const texts = values.map((value) => JSON.stringify(value, null, indent));
      let rest = texts.map((text) => `${text}\n`).join("");
      const pieces = cuts.map((cut) => {
        const piece = rest.slice(0, cut);
        rest = rest.slice(cut);
        return piece;
      });
      assert.deepEqual(split([...pieces, rest], "json"), texts);
    }),
  );
});
