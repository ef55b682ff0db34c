import assert from "node:assert/strict";
import { type OddValue, type OutputFormat, writeMessage } from "./document.ts";
import { All } from "./testdata/all.ts";

/** As a client has it: decoded from the wire. */
const received = (fields: object) => All.decode(All.encode(fields).finish());

/** A message's own fields, what they are as JSON, and the value that is told to be odd. */
const TABLE: [name: string, fields: object, json: object, path: string, reason: RegExp][] = [
  [
    "milliseconds where a Timestamp has seconds",
    { anInt32: 1, aTime: { seconds: 1_700_000_000_000 } },
    { anInt32: 1, aTime: { seconds: "1700000000000" } },
    "/All/aTime",
    /Timestamp out of range/,
  ],
  [
    "a Timestamp in the year 10000",
    { aTime: { seconds: 253402300800, nanos: 5 } },
    { aTime: { seconds: "253402300800", nanos: 5 } },
    "/All/aTime",
    /Timestamp out of range/,
  ],
  [
    "a Duration whose parts have two signs",
    { aDuration: { seconds: 1, nanos: -5 } },
    { aDuration: { seconds: "1", nanos: -5 } },
    "/All/aDuration",
    /Duration/,
  ],
  [
    "a FieldMask that camelCase would change",
    { aMask: { paths: ["custom_label_0"] } },
    { aMask: { paths: ["custom_label_0"] } },
    "/All/aMask",
    /does not round-trip: custom_label_0/,
  ],
  [
    "NaN in a Struct",
    { aStruct: { fields: { a: { listValue: { values: [{ numberValue: NaN }] } } } } },
    { aStruct: { a: ["NaN"] } },
    '/All/aStruct["a"][0]',
    /cannot hold the number NaN/,
  ],
  [
    "in a map within a list",
    { byBool: { true: { seconds: 1e15 } } },
    { byBool: { true: { seconds: "1000000000000000" } } },
    '/All/byBool["true"]',
    /Duration out of range/,
  ],
  [
    "in an Any",
    {
      anAny: {
        type_url: "a/google.protobuf.Timestamp",
        value: All.root.lookupType("google.protobuf.Timestamp")
          .encode({ seconds: 253402300800 }).finish(),
      },
    },
    { anAny: { "@type": "a/google.protobuf.Timestamp", value: { seconds: "253402300800" } } },
    "/All/anAny/value",
    /Timestamp out of range/,
  ],
];

Deno.test("C4: what ProtoJSON cannot write is written in its own form, and told, in each format", async (t) => {
  for (const [name, fields, json, path, reason] of TABLE) {
    await t.step(name, () => {
      for (const format of ["json", "prettyjson", "yaml", "xml"] satisfies OutputFormat[]) {
        const odd: OddValue[] = [];
        const onOdd = (value: OddValue) => void odd.push(value);
        const text = writeMessage(received(fields), { type: All, format, onOdd });
        assert.deepEqual(odd.map(({ path }) => path), [path], format);
        assert.match(odd[0]!.reason, reason);
        if (format.endsWith("json")) assert.deepEqual(JSON.parse(text), json);
      }
    });
  }
});

Deno.test("C4: an odd value has the elements of its fields in XML", () => {
  const text = writeMessage(received({ aTime: { seconds: 253402300800, nanos: 5 } }), {
    type: All,
    format: "xml",
  });
  const [, ...lines] = text.split("\n");
  assert.deepEqual(lines, [
    "<All>",
    "  <aTime>",
    "    <seconds>253402300800</seconds>",
    "    <nanos>5</nanos>",
    "  </aTime>",
    "</All>",
    "",
  ]);
});
