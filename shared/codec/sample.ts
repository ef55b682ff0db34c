/**
 * A sample request: every field of a type with a value that is easy to replace, and in YAML and
 * XML a comment that says what may stand there. Made from the descriptor, without any server.
 *
 * Numbers are 0, texts are empty, enums have their first name: what a field means that is not
 * given. Only for messages and optional fields does it make a difference to leave them out. A
 * caller that knows what a message means gives better values for some of its fields.
 *
 * @module
 */
import protobuf from "protobufjs";
import type { OutputFormat } from "./format.ts";
import { fullName, jsonName, wrappedField } from "./fields.ts";
import { writeJson } from "./json.ts";
import { writeEnum, writeScalar } from "./scalar.ts";
import type { CommentOf, Value } from "./value.ts";
import { writeXml } from "./xml_writer.ts";
import { writeYaml } from "./yaml.ts";

/** Levels of messages that are shown; what is deeper is left empty. */
const MAX_SAMPLE_DEPTH = 8;

/** Options of {@linkcode sampleMessage}. */
export interface SampleOptions {
  readonly format: OutputFormat;
  /**
   * Field by its JSON name → what it is in the sample, as ProtoJSON.
   *
   * @default {}
   */
  readonly values?: Readonly<Record<string, Value>>;
}

/** Writes a sample document of a message type, ending in a newline. */
export function sampleMessage(type: protobuf.Type, options: SampleOptions): string {
  const { format, values = {} } = options;
  type.root.resolveAll();
  const sampler = new Sampler();
  const made = sampler.message(type, [], []);
  // An entry that is there already keeps its place.
  const value = made instanceof Map ? new Map([...made, ...Object.entries(values)]) : made;
  const { commentOf } = sampler;
  switch (format) {
    case "yaml":
      return writeYaml(value, { commentOf });
    case "xml":
      return writeXml(value, type, { commentOf });
    case "json":
    case "prettyjson":
      // To be read and filled in by people: never in one line.
      return `${writeJson(value, { indent: 2 })}\n`;
  }
}

/** What a well-known type looks like, and what the comment says of it. */
const EXAMPLES: Readonly<Record<string, readonly [value: Value, comment: string]>> = {
  ".google.protobuf.Any": [new Map(), "any message: its type as @type, and its fields"],
  ".google.protobuf.Duration": ["1.5s", "duration in seconds"],
  ".google.protobuf.FieldMask": ["", 'field names, such as "user.displayName,photo"'],
  ".google.protobuf.ListValue": [[], "any list"],
  ".google.protobuf.Struct": [new Map(), "any object"],
  ".google.protobuf.Timestamp": ["2026-01-31T12:00:00Z", "time, RFC 3339"],
  ".google.protobuf.Value": [null, "any value"],
};

class Sampler {
  readonly #comments = new Map<string, string>();

  readonly commentOf: CommentOf = (path) => this.#comments.get(JSON.stringify(path));

  message(type: protobuf.Type, path: readonly string[], above: readonly protobuf.Type[]): Value {
    const [example] = EXAMPLES[type.fullName] ?? [];
    if (example !== undefined) return example;
    const wrapped = wrappedField(type);
    if (wrapped !== undefined) return scalar(wrapped);
    const values = new Map<string, Value>();
    const inside = [...above, type];
    // A type within itself would have no end.
    if (inside.length > MAX_SAMPLE_DEPTH || above.includes(type)) return values;
    for (const field of type.fieldsArray) {
      const [first] = field.partOf?.fieldsArray ?? [];
      if (first !== undefined && first !== field) continue;
      const here = [...path, jsonName(field)];
      this.#comments.set(JSON.stringify(here), comment(field));
      values.set(jsonName(field), this.#field(field.resolve(), here, inside));
    }
    return values;
  }

  #field(
    field: protobuf.Field,
    path: readonly string[],
    above: readonly protobuf.Type[],
  ): Value {
    if (field instanceof protobuf.MapField) {
      const key = MAP_KEYS[field.keyType] ?? "0";
      return new Map([[key, this.#one(field, [...path, key], above)]]);
    }
    const one = this.#one(field, path, above);
    return field.repeated ? [one] : one;
  }

  #one(
    field: protobuf.FieldBase,
    path: readonly string[],
    above: readonly protobuf.Type[],
  ): Value {
    return field.resolvedType instanceof protobuf.Type
      ? this.message(field.resolvedType, path, above)
      : scalar(field);
  }
}

const MAP_KEYS: Readonly<Record<string, string>> = { bool: "true", string: "key" };

function scalar(field: protobuf.FieldBase): Value {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Enum) {
    const [first = 0] = Object.values(resolvedType.values);
    return writeEnum(resolvedType, first);
  }
  return field.type === "bytes" ? "" : writeScalar(field.type, ZEROS[field.type] ?? 0);
}

const ZEROS: Readonly<Record<string, unknown>> = { bool: false, string: "" };

function comment(field: protobuf.Field): string {
  const optional = field.partOf?.isProto3Optional ? "optional " : "";
  const parts = [optional + kind(field.resolve())];
  const others = field.partOf?.fieldsArray.filter((other) => other !== field) ?? [];
  if (others.length > 0) {
    parts.push(
      `or instead: ${others.map((o) => `${jsonName(o)} (${kind(o.resolve())})`).join(", ")}`,
    );
  }
  return parts.join("; ");
}

function kind(field: protobuf.FieldBase): string {
  const one = kindOfOne(field);
  if (field instanceof protobuf.MapField) return `map of ${field.keyType} to ${one}`;
  return field instanceof protobuf.Field && field.repeated ? `list of ${one}` : one;
}

function kindOfOne(field: protobuf.FieldBase): string {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Enum) {
    return `one of ${Object.keys(resolvedType.values).join(", ")}`;
  }
  if (resolvedType instanceof protobuf.Type) {
    const [, comment] = EXAMPLES[resolvedType.fullName] ?? [];
    const wrapped = wrappedField(resolvedType);
    if (comment !== undefined) return comment;
    return wrapped !== undefined ? kindOfOne(wrapped) : fullName(resolvedType);
  }
  return field.type === "bytes" ? "base64" : field.type;
}
