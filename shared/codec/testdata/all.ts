/**
 * `all.proto`, loaded, and random messages of it.
 *
 * @module
 */
import protobuf from "protobufjs";
import { fc } from "../../testing/property.ts";
import { Long } from "../long.ts";

const WELL_KNOWN = ["any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"];

export const root = new protobuf.Root();
for (const name of WELL_KNOWN) {
  root.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)!.nested!);
}
protobuf.parse(Deno.readTextFileSync(new URL("all.proto", import.meta.url)), root);
root.resolveAll();

export const All = root.lookupType("codec.test.All");

/** Texts that a syntax could take for something else, or lose a part of. */
const NASTY = [
  "",
  " ",
  "\n",
  "\n\n a\n",
  "  leading",
  "trailing  ",
  "trailing newline\n",
  "two newlines\n\n",
  "tab\tinside",
  "\t",
  "a\r\nb",
  "\r",
  "line\n  indented\nline",
  "a\n\n\nb",
  "---\na",
  "...",
  "- item",
  "? key",
  "key: value",
  "# comment",
  "a # comment",
  "yes",
  "No",
  "on",
  "null",
  "~",
  "true",
  "1.10",
  "010",
  "0x1F",
  "0b11",
  "1_000",
  "1e3",
  "-0",
  ".inf",
  "NaN",
  "=",
  "<<",
  "2026-01-01",
  "12:30:45",
  "&anchor",
  "*alias",
  "!tag",
  "|",
  ">",
  "%YAML 1.1",
  "@at",
  "`tick",
  "'single'",
  '"double"',
  "back\\slash",
  "{}",
  "[a, b]",
  ",",
  "<a>&amp;</a>",
  "<![CDATA[x]]>\n<&",
  "]]>",
  "<!-- c -->",
  "<!DOCTYPE a>\n&b;",
  "a\n<b>&\n]]>\n",
  "\u0000",
  "\u0001\u001f\u007f",
  "\u0085\u2028\u2029",
  "\ufeff",
  "\ufffe\uffff",
  "\ufffd",
  "\u00a0",
  "é😀\u{10ffff}",
  "__proto__",
  "constructor",
  `long ${"word ".repeat(40)}`,
  `${"x".repeat(200)}\n${"y ".repeat(100)}`,
];

const text = fc.oneof(
  fc.constantFrom(...NASTY),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.array(fc.constantFrom("a", " ", "\n", "\r", "\t", ":", "#", "-", "<", "&", "]]>", "é"), {
    maxLength: 10,
  }).map((parts) => parts.join("")),
);

const signed64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const unsigned64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const signed32 = fc.integer();
const unsigned32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const double = fc.oneof(fc.double(), fc.constantFrom(-0, 0, NaN, 0.1, 1e21, 5e-324));
const float = fc.oneof(fc.float(), fc.constantFrom(-0, NaN, Math.fround(0.1)));

/** How many levels of messages a random message has. */
const MAX_LEVELS = 2;

const SCALARS: Record<string, fc.Arbitrary<unknown>> = {
  bool: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 6 }),
  double,
  float,
  string: text,
  int32: signed32,
  sint32: signed32,
  sfixed32: signed32,
  uint32: unsigned32,
  fixed32: unsigned32,
  int64: signed64.map((n) => Long.fromString(String(n), false)),
  sint64: signed64.map((n) => Long.fromString(String(n), false)),
  sfixed64: signed64.map((n) => Long.fromString(String(n), false)),
  uint64: unsigned64.map((n) => Long.fromString(String(n), true)),
  fixed64: unsigned64.map((n) => Long.fromString(String(n), true)),
};

const snakeCase = fc.stringMatching(/^[a-z]{1,4}(_[a-z]{1,4}){0,2}$/);

function scalarOf(type: string): fc.Arbitrary<unknown> {
  const arbitrary = SCALARS[type];
  if (arbitrary === undefined) throw new Error(`No arbitrary for ${type}`);
  return arbitrary;
}

const json: fc.Arbitrary<unknown> = fc.jsonValue({ maxDepth: 3, stringUnit: "binary" });

/** A `google.protobuf.Value` of plain JSON. */
function valueOf(json: unknown): object {
  if (json === null) return { nullValue: 0 };
  if (typeof json === "number") return { numberValue: json };
  if (typeof json === "string") return { stringValue: json };
  if (typeof json === "boolean") return { boolValue: json };
  if (Array.isArray(json)) return { listValue: { values: json.map(valueOf) } };
  return { structValue: structOf(json as object) };
}

function structOf(json: object): object {
  const fields: Record<string, object> = Object.create(null);
  for (const [key, value] of Object.entries(json)) fields[key] = valueOf(value);
  return { fields };
}

const SPECIAL: Record<string, (levels: number) => fc.Arbitrary<unknown>> = {
  Any: (levels) =>
    fc.oneof(
      fc.constant({}),
      fc.constant({ type_url: "example.com/unknown.Type", value: new Uint8Array([1, 2, 3]) }),
      ...["codec.test.Inner", "google.protobuf.Duration", "google.protobuf.StringValue"]
        .concat(["google.protobuf.Struct", "google.protobuf.Empty", "google.protobuf.BytesValue"])
        .concat(levels > 0 ? ["google.protobuf.Any", "codec.test.All"] : [])
        .map((name) =>
          messageOf(root.lookupType(name), levels - 1).map((message) => ({
            type_url: `type.googleapis.com/${name}`,
            value: root.lookupType(name).encode(message).finish(),
          }))
        ),
    ),
  Duration: () =>
    fc.record({ negative: fc.boolean(), s: fc.nat(315576000000), n: fc.nat(999_999_999) })
      .map(({ negative, s, n }) =>
        negative ? { seconds: -s, nanos: -n } : { seconds: s, nanos: n }
      ),
  FieldMask: () => fc.record({ paths: fc.array(snakeCase, { maxLength: 3 }) }),
  ListValue: () => fc.array(json, { maxLength: 3 }).map((list) => ({ values: list.map(valueOf) })),
  Struct: () => fc.dictionary(text, json, { maxKeys: 3 }).map(structOf),
  Timestamp: () =>
    fc.record({
      seconds: fc.integer({ min: -62135596800, max: 253402300799 }),
      nanos: fc.oneof(fc.constant(0), fc.constant(5_000_000), fc.nat(999_999_999)),
    }),
  Value: () => json.map(valueOf),
};

function oneOf(field: protobuf.FieldBase, levels: number): fc.Arbitrary<unknown> {
  const { resolvedType } = field.resolve();
  if (resolvedType instanceof protobuf.Type) return messageOf(resolvedType, levels - 1);
  if (resolvedType instanceof protobuf.Enum) {
    if (resolvedType.name === "NullValue") return fc.constant(0);
    return fc.oneof(fc.constantFrom(...Object.values(resolvedType.values)), signed32);
  }
  return scalarOf(field.type);
}

function fieldOf(field: protobuf.Field, levels: number): fc.Arbitrary<unknown> {
  const one = oneOf(field, levels);
  if (field instanceof protobuf.MapField) {
    const keys = scalarOf(field.keyType).map(String);
    return fc.array(fc.tuple(keys, one), { maxLength: 3 }).map((entries) => {
      const map: Record<string, unknown> = Object.create(null);
      for (const [key, value] of entries) map[key] = value;
      return map;
    });
  }
  return field.repeated ? fc.array(one, { maxLength: 3 }) : one;
}

/** Random messages of a type. */
export function messageOf(
  type: protobuf.Type,
  levels = MAX_LEVELS,
): fc.Arbitrary<protobuf.Message> {
  const special = type.fullName.startsWith(".google.protobuf.") ? SPECIAL[type.name] : undefined;
  if (special !== undefined) return special(levels).map((value) => type.create(value as object));
  if (levels < 0) return fc.constant(type.create({}));
  const chosen = type.oneofsArray.filter((oneof) => !oneof.isProto3Optional);
  const single = type.fieldsArray.filter((field) => !chosen.includes(field.partOf!));
  const values = fc.record(
    Object.fromEntries(single.map((field) => [field.name, fieldOf(field, levels)])),
    { requiredKeys: [], noNullPrototype: true },
  );
  const members = chosen.map((oneof) =>
    fc.oneof(
      fc.constant({}),
      ...oneof.fieldsArray.map((field) =>
        oneOf(field, levels).map((value) => ({ [field.name]: value }))
      ),
    )
  );
  return fc.tuple(values, ...members).map((parts) => type.create(Object.assign({}, ...parts)));
}
