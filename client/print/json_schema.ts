/**
 * A message type as JSON Schema: what `-d` and `-f` take, for editors and other programs.
 *
 * It is the ProtoJSON that this program writes. What ProtoJSON takes in addition (fields by their proto
 * names, numbers of enums, numbers as text) is left out, but 64-bit integers are text or numbers.
 *
 * @see https://json-schema.org/draft/2020-12
 * @see https://protobuf.dev/programming-guides/json/
 * @module
 */
import protobuf from "protobufjs";
import { fullName, jsonName } from "../../shared/codec/fields.ts";

type Schema = Record<string, unknown>;

const INTEGER_TEXT = "^-?[0-9]+$";

/** Scalars of ProtoJSON. */
const SCALARS: Readonly<Record<string, Schema>> = {
  bool: { type: "boolean" },
  string: { type: "string" },
  bytes: { type: "string", contentEncoding: "base64" },
  ...Object.fromEntries(
    ["int32", "sint32", "sfixed32"].map((name) => [
      name,
      { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
    ]),
  ),
  ...Object.fromEntries(
    ["uint32", "fixed32"].map((name) => [
      name,
      { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 },
    ]),
  ),
  ...Object.fromEntries(
    ["int64", "sint64", "sfixed64", "uint64", "fixed64"].map((name) => [
      name,
      { type: ["string", "integer"], pattern: INTEGER_TEXT },
    ]),
  ),
  ...Object.fromEntries(
    ["float", "double"].map((name) => [
      name,
      { anyOf: [{ type: "number" }, { enum: ["NaN", "Infinity", "-Infinity"] }] },
    ]),
  ),
};

/** Messages that ProtoJSON writes otherwise than as an object of their fields. */
const WELL_KNOWN: Readonly<Record<string, Schema>> = {
  Any: { type: "object", properties: { "@type": { type: "string" } }, required: ["@type"] },
  Duration: { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  FieldMask: { type: "string" },
  ListValue: { type: "array" },
  Struct: { type: "object" },
  Timestamp: { type: "string", format: "date-time" },
  Value: {},
  BoolValue: SCALARS["bool"]!,
  BytesValue: SCALARS["bytes"]!,
  DoubleValue: SCALARS["double"]!,
  FloatValue: SCALARS["float"]!,
  Int32Value: SCALARS["int32"]!,
  Int64Value: SCALARS["int64"]!,
  StringValue: SCALARS["string"]!,
  UInt32Value: SCALARS["uint32"]!,
  UInt64Value: SCALARS["uint64"]!,
};

/** The schema of a message, with those of all types that it needs in `$defs`. */
export function jsonSchema(type: protobuf.Type): Schema {
  const definitions = new Map<string, Schema>();
  const root = reference(type, definitions);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...root,
    ...(definitions.size > 0 && { $defs: Object.fromEntries(definitions) }),
  };
}

function reference(
  type: protobuf.Type | protobuf.Enum,
  definitions: Map<string, Schema>,
): Schema {
  const name = fullName(type);
  const [, wellKnown] = /^google\.protobuf\.(\w+)$/.exec(name) ?? [];
  if (wellKnown !== undefined && Object.hasOwn(WELL_KNOWN, wellKnown)) {
    return WELL_KNOWN[wellKnown]!;
  }
  if (name === "google.protobuf.NullValue") return { type: "null" };
  if (!definitions.has(name)) {
    // There before its fields: a type may have itself in it.
    definitions.set(name, {});
    definitions.set(
      name,
      type instanceof protobuf.Enum ? enumSchema(type) : message(type, definitions),
    );
  }
  return { $ref: `#/$defs/${name}` };
}

function enumSchema({ values, comment }: protobuf.Enum): Schema {
  return { ...described(comment), enum: Object.keys(values) };
}

function message(type: protobuf.Type, definitions: Map<string, Schema>): Schema {
  const fields = type.fieldsArray.map((field) => field.resolve());
  const required = fields.filter((field) => field.required).map(jsonName);
  const exclusions = type.oneofsArray.flatMap(({ fieldsArray }) =>
    fieldsArray.flatMap((one, i) =>
      fieldsArray.slice(i + 1).map((other) => ({
        not: { required: [jsonName(one), jsonName(other)] },
      }))
    )
  );
  return {
    type: "object",
    ...described(type.comment),
    properties: Object.fromEntries(
      fields.map((field) => [jsonName(field), fieldSchema(field, definitions)]),
    ),
    ...(required.length > 0 && { required }),
    // At most one field of each oneof. A list of none is no JSON Schema.
    ...(exclusions.length > 0 && { allOf: exclusions }),
    additionalProperties: false,
  };
}

function fieldSchema(field: protobuf.Field, definitions: Map<string, Schema>): Schema {
  const { resolvedType, type, comment, options } = field;
  const one = resolvedType === null ? SCALARS[type] ?? {} : reference(resolvedType, definitions);
  const about = { ...described(comment), ...(options?.["deprecated"] && { deprecated: true }) };
  if (field instanceof protobuf.MapField) {
    return { ...about, type: "object", additionalProperties: one };
  }
  if (field.repeated) return { ...about, type: "array", items: one };
  return { ...about, ...one };
}

function described(comment: string | null): Schema {
  return comment ? { description: comment } : {};
}
