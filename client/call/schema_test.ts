import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import protobuf from "protobufjs";
import descriptor, { type IFieldDescriptorProto } from "protobufjs/ext/descriptor";
import { type Format, readMessages, writeMessage } from "../../shared/codec/document.ts";
import { describe } from "../print/describe.ts";
import { fc } from "../../shared/testing/property.ts";
import { Schema } from "./schema.ts";
import { setFields } from "../request/set_field.ts";

const FORMATS: readonly Format[] = ["json", "yaml", "xml"];

/** The message `a.M` with these fields, as reflection would give it. */
function typeOf(
  field: readonly IFieldDescriptorProto[],
  more: object = {},
  syntax = "proto3",
): protobuf.Type {
  const { FileDescriptorProto } = descriptor;
  const file = FileDescriptorProto.create({
    name: "a.proto",
    package: "a",
    syntax,
    messageType: [{ name: "M", field: [...field], extensionRange: [{ start: 100, end: 200 }] }],
    ...more,
  });
  const schema = new Schema();
  schema.add(FileDescriptorProto.encode(file).finish());
  return schema.build().lookupType("a.M");
}

const text = (number: number, name: string, jsonName?: string): IFieldDescriptorProto => ({
  name,
  number,
  type: 9,
  label: 1,
  ...(jsonName !== undefined && { jsonName }),
});

const hex = (type: protobuf.Type, message: object) =>
  Buffer.from(type.encode(message as protobuf.Message).finish()).toString("hex");

/** A message with this text in each of its fields, as it comes from the wire. */
function received(type: protobuf.Type, value = "x<&\n'"): protobuf.Message {
  const writer = protobuf.Writer.create();
  for (const { id } of type.fieldsArray) writer.uint32((id << 3) | 2).string(`${value}${id}`);
  return type.decode(writer.finish());
}

function assertRoundTrip(type: protobuf.Type): void {
  const message = received(type);
  for (const format of FORMATS) {
    const written = writeMessage(message, { type, format });
    const [back, ...more] = readMessages(written, { type, format, source: "test" });
    assert.equal(more.length, 0);
    assert.equal(hex(type, back!), hex(type, message), written);
  }
}

Deno.test("C5: names of fields are data, in each format", async (t) => {
  const table: [proto: string, json?: string][] = [
    ["first", "1st"],
    ["_1"],
    ["_2_go"],
    ["id", "$id"],
    ["type", "@type"],
    ["bytes", "@bytes"],
    ["constructor"],
    ["__proto__"],
    ["proto", "__proto__"],
    ["hasOwnProperty"],
    ["to_json", "toJSON"],
    ["toString"],
    ["class"],
    ["spaced", "a b"],
    ["quoted", `"'<>&`],
    ["extension_like", "[a.b]"],
    ["empty_key", "\u2028"],
    ["not-an.identifier"],
    ["x];Deno.exit(9);//"],
    ["with_newline", "a\nb"],
  ];
  for (const [proto, json] of table) {
    await t.step(JSON.stringify([proto, json]), () => {
      const type = typeOf([text(1, proto, json), text(2, "other")]);
      assertRoundTrip(type);
      const written = JSON.parse(writeMessage(received(type), { type, format: "json" }));
      assert.deepEqual(Object.keys(written), [json ?? protobuf.util.jsonName(proto), "other"]);
    });
  }
  await t.step(
    "all at once",
    () => assertRoundTrip(typeOf(table.map(([proto, json], i) => text(i + 1, proto, json)))),
  );
});

Deno.test("C5: any names make the round trip", () => {
  const name = fc.oneof(
    fc.string({ minLength: 1, maxLength: 6 }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 4 }).filter((name) => name.isWellFormed()),
    fc.constantFrom("constructor", "__proto__", "@type", "$type", "1", "toJSON", "key", "value"),
  );
  const names = fc.uniqueArray(fc.tuple(name, name), {
    minLength: 1,
    maxLength: 6,
    selector: ([proto]) => proto,
  });
  fc.assert(
    fc.property(names, (names) => {
      // Two fields of one JSON name no compiler lets through, nor one that is another's own name.
      const taken = names.flatMap(([proto, json]) => proto === json ? [proto] : [proto, json]);
      fc.pre(new Set(taken).size === taken.length);
      fc.pre(!taken.some((name) => /^field_\d+$/.test(name)));
      assertRoundTrip(typeOf(names.map(([proto, json], i) => text(i + 1, proto, json))));
    }),
    { numRuns: 300 },
  );
});

Deno.test("C5: a JSON name that is the proto name of another field is the JSON name", () => {
  const type = typeOf([text(1, "a", "b"), text(2, "b", "c")]);
  assertRoundTrip(type);
});

Deno.test("C5: extensions of proto2 have their full name in brackets", async (t) => {
  const type = typeOf([text(1, "own")], {
    extension: [{ ...text(100, "note"), extendee: ".a.M" }],
  }, "proto2");
  await t.step("in each format", () => assertRoundTrip(type));
  await t.step("in JSON", () => {
    const written = writeMessage(received(type, "v"), { type, format: "json" });
    assert.equal(written, '{"own":"v1","[a.note]":"v100"}\n');
  });
  await t.step("in XML, which is well-formed", () => {
    const written = writeMessage(received(type, "v"), { type, format: "xml" });
    assert.match(written, /<a\.note>v100<\/a\.note>/);
  });
  await t.step("in --set and describe", () => {
    const [message] = [setFields(type.create(), { type, assignments: ["[a.note]=set", "own=1"] })];
    const json = writeMessage(message, { type, format: "json" });
    assert.deepEqual(JSON.parse(json), { own: "1", "[a.note]": "set" });
    assert.match(describe(type.root, "a.M")!, / {2}optional string \[a\.note\] = 100;/);
  });
});

Deno.test("C5: --set takes a field of any name", () => {
  const type = typeOf([text(1, "proto", "__proto__"), text(2, "constructor"), text(3, "n", "1st")]);
  const message = setFields(type.create(), {
    type,
    assignments: ["__proto__=a", "constructor=b", "1st=c"],
  });
  assert.equal(
    writeMessage(message, { type, format: "json" }),
    '{"__proto__":"a","constructor":"b","1st":"c"}\n',
  );
});

Deno.test("C5: an Any keeps its type when a field has the JSON name @type", () => {
  const type = typeOf([text(1, "kind", "@type")]);
  const any = type.root.lookupType("google.protobuf.Any");
  const message = any.create({ type_url: "a/a.M", value: type.encode(received(type)).finish() });
  for (const format of FORMATS) {
    const written = writeMessage(message, { type: any, format });
    const [back] = readMessages(written, { type: any, format, source: "test" });
    assert.equal(hex(any, back!), hex(any, message), written);
  }
});
