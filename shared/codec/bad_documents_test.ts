import assert from "node:assert/strict";
import { MAX_ALIASED_VALUES, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_DOCUMENTS } from "./bounds.ts";
import { DocumentError, type Format, readMessages } from "./document.ts";
import { All } from "./testdata/all.ts";

const STANDS_FOR: Record<string, string> = { "⏎": "\n", "⇥": "\t", "␁": "\u0001" };

/** The cases of `bad_documents.txt`: format, document, message. */
function cases(): [format: Format, text: string, message: string][] {
  const file = Deno.readTextFileSync(new URL("testdata/bad_documents.txt", import.meta.url));
  const [, ...blocks] = file.trimEnd().split("\n\n");
  return blocks.map((block) => {
    const [, format, text, message] = /^(json|yaml|xml): (.*)\n(.*)$/.exec(block) ?? [];
    assert.ok(format && text && message, block);
    return [format as Format, text.replace(/[⏎⇥␁]/g, (sign) => STANDS_FOR[sign]!), message];
  });
}

function errorOf(text: string, format: Format): DocumentError {
  try {
    readMessages(text, { type: All, format, source: "req" });
  } catch (error) {
    if (error instanceof DocumentError) return error;
    throw error;
  }
  return assert.fail(`${format} was accepted: ${text.slice(0, 100)}`);
}

Deno.test("readMessages() refuses bad documents and names the place", async (t) => {
  const table = cases();
  assert.ok(table.length > 150);
  for (const [format, text, message] of table) {
    await t.step(`${format}: ${text}`, () => assert.equal(errorOf(text, format).message, message));
  }
});

Deno.test("DocumentError has the place in parts", () => {
  const { source, line, column, path, reason } = errorOf("anInt32: 1\n\naDuration: true\n", "yaml");
  assert.deepEqual([source, line, column, path], ["req", 3, 12, "/All/aDuration"]);
  assert.equal(reason, 'Expected a duration such as "3.5s", found true');
});

Deno.test("DocumentError counts lines and characters, whatever ends the lines", async (t) => {
  const table: [name: string, format: Format, text: string, place: string][] = [
    ["LF", "json", '{\n\n "x":1}', "3:2"],
    ["CRLF", "json", '{\r\n\r\n "x":1}', "3:2"],
    ["CR", "json", '{\r\r "x":1}', "3:2"],
    ["characters, not units", "json", '{"aString":"😀é","x":1}', "1:17"],
    ["byte order mark", "json", '\ufeff{"x":1}', "1:2"],
    ["CRLF", "yaml", "anInt32: 1\r\nx: 1\r\n", "2:1"],
    ["byte order mark", "yaml", "\ufeffx: 1", "1:1"],
    ["CRLF", "xml", "<All>\r\n  <x/>\r\n</All>", "2:3"],
    ["CRLF, wrong tag", "xml", "<All>\r\n  <inner>\r\n</All>", "3:1"],
    ["byte order mark", "xml", "\ufeff<?xml version='1.0'?><All><x/></All>", "1:27"],
    ["second document", "xml", "<All/>\n<?xml version='1.0'?>\n<All><x/></All>", "3:6"],
  ];
  for (const [name, format, text, place] of table) {
    await t.step(`${format}: ${name}`, () => {
      const { line, column } = errorOf(text, format);
      assert.equal(`${line}:${column}`, place);
    });
  }
});

const nested = (open: string, close: string, times: number) =>
  open.repeat(times) + close.repeat(times);

Deno.test("readMessages() bounds what a document may be", async (t) => {
  const bomb = ["&a [x,x,x,x,x,x,x,x,x]"];
  for (const [from, to] of ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"]) {
    bomb.push(`&${to} [${Array(9).fill(`*${from}`)}]`);
  }
  const deepMessage = `{"inner":${'{"child":'.repeat(MAX_DEPTH)}{}${"}".repeat(MAX_DEPTH + 1)}`;
  const table: [name: string, format: Format, text: string, reason: RegExp][] = [
    ["bytes", "json", " ".repeat(MAX_DOCUMENT_BYTES + 1), /at most 64 MiB/],
    ["bytes, not characters", "yaml", "é".repeat(MAX_DOCUMENT_BYTES / 2 + 1), /at most 64 MiB/],
    ["documents", "json", "{}".repeat(MAX_DOCUMENTS + 1), /More than 1000000 values/],
    ["depth", "json", nested("[", "]", MAX_DEPTH + 2), /Nested more than 100 deep/],
    ["depth, unclosed", "json", "[".repeat(1_000_000), /Nested more than 100 deep/],
    ["depth of messages", "json", deepMessage, /nested more than 100 deep/i],
    ["depth", "yaml", `aValue: ${nested("[", "]", MAX_DEPTH + 2)}`, /Nested more than 100 deep/],
    ["depth beyond the stack", "yaml", nested("[", "]", 20_000), /Nested more than 100 deep/],
    ["depth of blocks", "yaml", "- ".repeat(5000), /Nested more than 100 deep/],
    ["aliases", "yaml", `aValue:\n  - ${bomb.join("\n  - ")}`, /Aliases stand for more than 10000/],
    ["an alias within itself", "yaml", "aValue: &a [*a]", /Nested more than 100 deep/],
    ["depth", "xml", nested("<inner>", "</inner>", 201), /Nested more than 200 deep/],
    ["depth, unclosed", "xml", "<inner>".repeat(100_000), /Nested more than 200 deep/],
    [
      "depth of messages",
      "xml",
      `<All><inner>${nested("<child>", "</child>", MAX_DEPTH)}</inner></All>`,
      /Messages are nested more than 100 deep/,
    ],
    ["entities", "xml", '<!DOCTYPE a [<!ENTITY b "bb">]><All/>', /no DOCTYPE/],
    ["unclosed things", "xml", "<?".repeat(500_000), /processing instruction/],
    ["unclosed quotes", "xml", '<a b="'.repeat(100_000), /./],
  ];
  for (const [name, format, text, reason] of table) {
    await t.step(`${format}: ${name}`, () => assert.match(errorOf(text, format).reason, reason));
  }
  assert.equal(MAX_ALIASED_VALUES, 10_000);
});

Deno.test("readMessages() never fails with anything but a DocumentError", async (t) => {
  // Cut a good document after each character, and take out each one.
  const table: [Format, string][] = [
    [
      "json",
      '{"anInt32":-1.0e0,"strings":["\\u00e9","b"],"inner":{"text":"a"},"aBool":true}\n[{}]',
    ],
    ["yaml", 'anInt32: 1\ninner: &a {text: "a\\n"}\ninners:\n  - *a\naString: |\n  b\n---\n{}\n'],
    [
      "xml",
      '<?xml version="1.0"?><!-- c --><All><aString>a&lt;<![CDATA[b]]></aString><inner>' +
      '<text/></inner><anAny type="a/codec.test.Inner"><count>1</count></anAny></All><All/>',
    ],
  ];
  for (const [format, text] of table) {
    await t.step(format, () => {
      for (let at = 0; at < text.length; at++) {
        for (const bad of [text.slice(0, at), text.slice(0, at) + text.slice(at + 1)]) {
          try {
            readMessages(bad, { type: All, format, source: "req" });
          } catch (error) {
            assert.ok(error instanceof DocumentError, `${error}: ${bad}`);
            assert.ok(!error.message.includes("7c1f"), `${error}: ${bad}`);
          }
        }
      }
    });
  }
});
