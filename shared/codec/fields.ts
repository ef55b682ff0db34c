/**
 * What the descriptor says of a type, as reader and writer need it.
 *
 * @module
 */
import protobuf from "protobufjs";
import { Long } from "./long.ts";

/**
 * The fields of a type by each name that input may use: the JSON name and the proto name. Where the
 * JSON name of one is the proto name of another, it is the JSON name: output has nothing else.
 */
export function fieldsByName(type: protobuf.Type): ReadonlyMap<string, protobuf.Field> {
  let fields = cache.get(type);
  if (fields === undefined) {
    const all = type.fieldsArray.map((field) => field.resolve());
    fields = new Map([
      ...all.map((field) => [field.name, field] as const),
      ...all.map((field) => [protoName(field), field] as const),
      ...all.map((field) => [jsonName(field), field] as const),
    ]);
    cache.set(type, fields);
  }
  return fields;
}

const cache = new WeakMap<protobuf.Type, ReadonlyMap<string, protobuf.Field>>();

/** The name that output uses. An extension has its full name in brackets, as ProtoJSON wants it. */
export function jsonName(field: protobuf.Field): string {
  const { declaringField, jsonName, name } = field.resolve();
  return declaringField ? `[${fullName(declaringField)}]` : jsonName ?? name;
}

/** The name in the `.proto` file; the full one of an extension. */
export function protoName(field: protobuf.Field): string {
  const { declaringField, protoName, name } = field;
  return declaringField ? fullName(declaringField) : protoName ?? name;
}

/** `google.protobuf.Any`, without the leading dot of protobufjs. */
export function fullName(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, "");
}

/** The message type of that full name. */
export function findType(root: protobuf.Root, name: string): protobuf.Type | undefined {
  const object = name === "" ? null : root.lookup(`.${name}`);
  return object instanceof protobuf.Type ? object : undefined;
}

/** Full names of all message types. */
export function* typeNames(scope: protobuf.NamespaceBase): Generator<string> {
  for (const object of scope.nestedArray) {
    if (object instanceof protobuf.Type) yield fullName(object);
    if (object instanceof protobuf.Namespace) yield* typeNames(object);
  }
}

/** The type's name in an Any's URL: what follows the last slash. */
export function typeOfUrl(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}

/** Types whose ProtoJSON is no object of their fields; within an Any they are its `value`. */
const WELL_KNOWN = new Set([
  "Any",
  "BoolValue",
  "BytesValue",
  "DoubleValue",
  "Duration",
  "FieldMask",
  "FloatValue",
  "Int32Value",
  "Int64Value",
  "ListValue",
  "StringValue",
  "Struct",
  "Timestamp",
  "UInt32Value",
  "UInt64Value",
  "Value",
].map((name) => `.google.protobuf.${name}`));

export function isWellKnown(type: protobuf.Type): boolean {
  return WELL_KNOWN.has(type.fullName);
}

/** The wrapped field of `google.protobuf.Int32Value` and its like. */
export function wrappedField(type: protobuf.Type): protobuf.Field | undefined {
  const isWrapper = /^\.google\.protobuf\.[A-Z][A-Za-z0-9]+Value$/.test(type.fullName);
  return isWrapper && type.fullName !== ".google.protobuf.ListValue"
    ? type.fields["value"]?.resolve()
    : undefined;
}

/** Does the field know whether it is set? protobufjs denies it of messages. */
export function hasPresence(field: protobuf.Field): boolean {
  return field.hasPresence || field.resolvedType instanceof protobuf.Type;
}

/** May `null` be a value of this field, rather than say that it is unset? */
export function takesNull(field: protobuf.FieldBase): boolean {
  const name = field.resolvedType?.fullName;
  return name === ".google.protobuf.Value" || name === ".google.protobuf.NullValue";
}

/** Is this the value that a field without presence has when it is unset? `-0` is not. */
export function isDefault(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  if (Long.isLong(value)) return value.isZero();
  return value === "" || value === false || Object.is(value, 0);
}
