import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type protobuf from "protobufjs";
import protojson from "protobufjs/ext/protojson";
import { root as ours } from "../grpc/root.ts";
import { fc } from "../testing/property.ts";
import { type Format, type OutputFormat, readMessages, writeMessage } from "./document.ts";
import { All, messageOf, root } from "./testdata/all.ts";

const FORMATS: readonly (readonly [output: OutputFormat, input: Format])[] = [
  ["json", "json"],
  ["prettyjson", "json"],
  ["yaml", "yaml"],
  ["xml", "xml"],
];

const hex = (type: protobuf.Type, message: object) =>
  Buffer.from(type.encode(message as protobuf.Message).finish()).toString("hex");

function read(text: string, format: Format, type = All): protobuf.Message[] {
  return readMessages(text, { type, format, source: "test" });
}

for (const [output, input] of FORMATS) {
  Deno.test(`readMessages() gives back what writeMessage() wrote as ${output}`, () => {
    fc.assert(
      fc.property(messageOf(All), fc.boolean(), (message, emitDefaults) => {
        // As a client has it: decoded from the wire.
        const decoded = All.decode(All.encode(message).finish());
        const text = writeMessage(decoded, { type: All, format: output, emitDefaults });
        const [back, ...more] = read(text, input);
        assert.equal(more.length, 0);
        assert.equal(hex(All, back!), hex(All, decoded), text);
      }),
      { numRuns: 150 },
    );
  });

  Deno.test(`readMessages() gives back streams written as ${output}`, () => {
    const messages = fc.sample(messageOf(All, 1), { numRuns: 20, seed: 7 });
    const text = messages.map((message) => writeMessage(message, { type: All, format: output }))
      .join("");
    const back = read(text, input);
    assert.deepEqual(back.map((m) => hex(All, m)), messages.map((m) => hex(All, m)));
  });

  Deno.test(`readMessages() gives back well-known types at the top written as ${output}`, () => {
    for (
      const name of ["Any", "Duration", "Empty", "FieldMask", "ListValue", "Struct", "Timestamp"]
        .concat(["Value", "StringValue", "Int64Value", "BoolValue", "BytesValue", "DoubleValue"])
    ) {
      const type = root.lookupType(`google.protobuf.${name}`);
      fc.assert(
        fc.property(messageOf(type, 1), (message) => {
          const text = writeMessage(message, { type, format: output });
          const [back, ...more] = read(text, input, type);
          assert.equal(more.length, 0);
          assert.equal(hex(type, back!), hex(type, message), text);
        }),
        { numRuns: 20 },
      );
    }
  });
}

Deno.test("writeMessage() says what ext/protojson says, but for what that cannot say", () => {
  // An own walk needs an outside judge. -0, floats and unknown types differ on purpose, wherever
  // they can stand: also in the values of a map.
  const differing = ["Any", "Value", "Struct", "ListValue"].map((name) =>
    `google.protobuf.${name}`
  );
  const judged = new Set(
    All.fieldsArray.filter((field) =>
      !["float", "double", ...differing].includes(field.type) &&
      !/^w(Float|Double)$|^by(Uint32|Fixed32)$|alue|Struct|List/.test(field.name)
    ).map((field) => field.name),
  );
  fc.assert(
    fc.property(messageOf(All), (message) => {
      const kept = Object.entries(message).filter(([name]) => judged.has(name));
      const part = All.decode(All.encode(All.create(Object.fromEntries(kept))).finish());
      const text = writeMessage(part, { type: All, format: "json" });
      assert.deepEqual(JSON.parse(text), JSON.parse(protojson.toJsonString(All, part)));
      assert.equal(hex(All, protojson.fromJsonString(All, text)), hex(All, read(text, "json")[0]!));
    }),
    { numRuns: 50 },
  );
});

Deno.test("readMessages() takes any number of documents", async (t) => {
  const table: [name: string, format: Format, text: string, counts: string[]][] = [
    ["nothing", "json", " \n", []],
    ["concatenated", "json", '{"anInt32":1}{"anInt32":2} {"anInt32":3}', ["1", "2", "3"]],
    ["lines", "json", '{"anInt32":1}\n{"anInt32":2}\n', ["1", "2"]],
    ["a list", "json", '[{"anInt32":1},{"anInt32":2}]', ["1", "2"]],
    ["an empty list", "json", "[]", []],
    ["byte order mark", "json", '\ufeff{"anInt32":1}', ["1"]],
    ["nothing", "yaml", "", []],
    ["a comment", "yaml", "# only\n", []],
    ["an empty document", "yaml", "---\n", ["0"]],
    ["documents", "yaml", "anInt32: 1\n---\nanInt32: 2\n", ["1", "2"]],
    ["an empty one between", "yaml", "anInt32: 1\n---\n---\nanInt32: 2\n", ["1", "0", "2"]],
    ["nothing after the last ---", "yaml", "anInt32: 1\n---\n", ["1"]],
    ["a comment after the last ---", "yaml", "anInt32: 1\n---\n# none\n", ["1", "0"]],
    ["a list", "yaml", "- anInt32: 1\n- anInt32: 2\n", ["1", "2"]],
    ["JSON", "yaml", '{"anInt32": 1}', ["1"]],
    ["byte order mark", "yaml", "\ufeffanInt32: 1", ["1"]],
    ["nothing", "xml", " <!-- only --> ", []],
    ["elements", "xml", "<All/><All><anInt32>2</anInt32></All>", ["0", "2"]],
    [
      "with declarations",
      "xml",
      '<?xml version="1.0"?>\n<All/>\n<?xml version="1.0" encoding="utf-8"?>\n<All/>',
      ["0", "0"],
    ],
    ["full name", "xml", "<codec.test.All><anInt32>1</anInt32></codec.test.All>", ["1"]],
    ["byte order mark", "xml", '\ufeff<?xml version="1.0"?><All/>', ["0"]],
  ];
  for (const [name, format, text, counts] of table) {
    await t.step(`${format}: ${name}`, () => {
      const messages = read(text, format) as (protobuf.Message & { anInt32?: number })[];
      assert.deepEqual(messages.map(({ anInt32 }) => String(anInt32 ?? 0)), counts);
    });
  }
});

Deno.test("readMessages() takes other ways to say the same", async (t) => {
  const table: [format: Format, text: string, json: string][] = [
    ["json", '{"an_int32":"5"}', '{"anInt32":5}'],
    ["json", '{"anInt32":5e0,"anInt64":1.5e1}', '{"anInt32":5,"anInt64":"15"}'],
    ["json", '{"anInt64":9223372036854775807}', '{"anInt64":"9223372036854775807"}'],
    ["json", '{"aUint64":18446744073709551615}', '{"aUint64":"18446744073709551615"}'],
    ["json", '{"aDouble":"1.5","aFloat":"-Infinity"}', '{"aDouble":1.5,"aFloat":"-Infinity"}'],
    ["json", '{"someBytes":"-_-_"}', '{"someBytes":"+/+/"}'],
    ["json", '{"someBytes":"AA"}', '{"someBytes":"AA=="}'],
    ["json", '{"color":1}', '{"color":"RED"}'],
    ["json", '{"aString":null,"strings":null,"byString":null,"inner":null}', "{}"],
    ["json", '{"aValue":null,"aNull":null}', '{"aValue":null}'],
    ["json", '{"chosenText":null,"chosenNumber":0}', '{"chosenNumber":0}'],
    ["json", '{"chosenNull":"NULL_VALUE"}', '{"chosenNull":null}'],
    ["json", '{"aTime":"2026-01-01T01:00:00+01:00"}', '{"aTime":"2026-01-01T00:00:00Z"}'],
    [
      "json",
      '{"anAny":{"value":{},"@type":"a/google.protobuf.Empty"}}',
      '{"anAny":{"@type":"a/google.protobuf.Empty"}}',
    ],
    ["json", '{"aString":"\\u00e9\\ud83d\\ude00\\/\\b"}', '{"aString":"é😀/\\b"}'],
    ["yaml", "aDouble: .inf\naFloat: -.INF\ndoubles: [.nan, 0x10, .5, +1, -0]", ""],
    ["yaml", "aString: 2026-01-01", '{"aString":"2026-01-01"}'],
    ["yaml", "anInt64: 9223372036854775807", '{"anInt64":"9223372036854775807"}'],
    ["yaml", "aString:\ninner: ~\nstrings: null", "{}"],
    ["yaml", "byString: {1.10: a, true: b, 0x1: c}", ""],
    ["yaml", "inner: &i {text: a}\ninners: [*i, *i]", ""],
    ["yaml", "%YAML 1.1\n---\naString: 'yes'", '{"aString":"yes"}'],
    ["xml", "<All><an_int32> 5\n</an_int32></All>", '{"anInt32":5}'],
    ["xml", "<All><aBool>1</aBool><bools>0</bools></All>", '{"aBool":true,"bools":[false]}'],
    ["xml", "<All><aDouble>INF</aDouble></All>", '{"aDouble":"Infinity"}'],
    [
      "xml",
      "<All><color>2</color><colors>-1</colors></All>",
      '{"color":"GREEN","colors":["MINUS"]}',
    ],
    ["xml", "<All><someBytes>A A\n==</someBytes></All>", '{"someBytes":"AA=="}'],
    ["xml", "<All><maybeString/><strings/></All>", '{"maybeString":"","strings":[""]}'],
    ["xml", '<All><maybeString xsi:nil="true"/></All>', "{}"],
    ["xml", "<All><aString>a<!-- b -->c<![CDATA[<d>]]></aString></All>", '{"aString":"ac<d>"}'],
    ["xml", "<All><aString>&lt;&#x26;&#38;&apos;&quot;&gt;</aString></All>", ""],
    ["xml", "<All><int32s>1</int32s><aBool>true</aBool><int32s>2</int32s></All>", ""],
    ["xml", "<All xmlns='urn:x'><aString>a\r\nb</aString></All>", '{"aString":"a\\nb"}'],
    ["xml", "<All><constructor>a</constructor><toString>b</toString></All>", ""],
  ];
  const expected: Record<string, string> = {
    [table[15]![1]]: '{"aDouble":"Infinity","aFloat":"-Infinity","doubles":["NaN",16,0.5,1,-0]}',
    [table[19]![1]]: '{"byString":{"1.10":"a","true":"b","0x1":"c"}}',
    [table[20]![1]]: '{"inner":{"text":"a"},"inners":[{"text":"a"},{"text":"a"}]}',
    [table[30]![1]]: `{"aString":"<&&'\\">"}`,
    [table[31]![1]]: '{"aBool":true,"int32s":[1,2]}',
    [table[33]![1]]: '{"constructor":"a","toString":"b"}',
  };
  for (const [format, text, json] of table) {
    await t.step(`${format}: ${text}`, () => {
      const [message] = read(text, format);
      const written = writeMessage(message!, { type: All, format: "json" });
      assert.equal(written.trim(), json || expected[text]);
    });
  }
});

Deno.test("readMessages() skips unknown fields where that is allowed", () => {
  const table: [Format, string][] = [
    ["json", '{"nope":{"a":[1]},"anInt32":1,"inner":{"no":1}}'],
    ["yaml", "nope: [a]\nanInt32: 1\ninner: {no: 1}"],
    ["xml", "<All><nope a='1'><b/></nope><anInt32>1</anInt32><inner><no/></inner></All>"],
  ];
  for (const [format, text] of table) {
    const [message] = readMessages(text, {
      type: All,
      format,
      source: "test",
      allowUnknownFields: true,
    });
    assert.equal(
      writeMessage(message!, { type: All, format: "json" }),
      '{"anInt32":1,"inner":{}}\n',
    );
  }
});

Deno.test("writeMessage() takes plain objects, as our typed services give them", () => {
  const type = ours.lookupType("fluentd.v1.StartResponse");
  const response = { status: "FAILED", elapsed: { seconds: 3, nanos: 500_000_000 } };
  assert.equal(
    writeMessage(response, { type, format: "json" }),
    '{"status":"FAILED","elapsed":"3.500s"}\n',
  );
});

Deno.test("writeMessage() writes defaults where that is asked for", () => {
  const type = root.lookupType("codec.test.Inner");
  const table: [OutputFormat, string][] = [
    ["json", '{"text":"","count":"0","children":[]}\n'],
    ["yaml", '---\ntext: ""\ncount: "0"\nchildren: []\n'],
    [
      "xml",
      '<?xml version="1.0" encoding="UTF-8"?>\n<Inner>\n  <text/>\n  <count>0</count>\n</Inner>\n',
    ],
  ];
  for (const [format, text] of table) {
    assert.equal(writeMessage({}, { type, format, emitDefaults: true }), text);
  }
});

Deno.test("writeMessage() writes the bytes of an Any that nobody can decode", () => {
  const anAny = { type_url: "a/codec.test.Inner", value: new Uint8Array([0xff]) };
  const text = writeMessage(All.create({ anAny }), { type: All, format: "json" });
  assert.equal(text, '{"anAny":{"@type":"a/codec.test.Inner","@bytes":"/w=="}}\n');
});
