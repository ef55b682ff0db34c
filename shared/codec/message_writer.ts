/**
 * A message → its ProtoJSON value, in the order of the fields in the `.proto` file.
 *
 * Where `protobufjs/ext/protojson` would lose or refuse something, this does not: `-0`, the
 * shortest text of a float, an Any of a type that is not known (its bytes, as `@bytes`).
 *
 * @module
 */
import protobuf from "protobufjs";
import protojson from "protobufjs/ext/protojson";
import {
  findType,
  hasPresence,
  isDefault,
  isWellKnown,
  jsonName,
  typeOfUrl,
  wrappedField,
} from "./fields.ts";
import { writeEnum, writeMapKey, writeScalar } from "./scalar.ts";
import { writeListValue, writeStruct, writeValue } from "./struct.ts";
import type { Value, ValueMap } from "./value.ts";

export interface MessageValueOptions {
  /** Writes fields without presence also when they are unset. @default false */
  readonly emitDefaults?: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The ProtoJSON value of a message.
 *
 * @throws {Error} If a well-known type holds what has no ProtoJSON, such as a year 10000.
 */
export function messageValue(
  type: protobuf.Type,
  message: object,
  options: MessageValueOptions = {},
): Value {
  type.root.resolveAll();
  return new MessageWriter(options.emitDefaults ?? false).message(type, message as Fields);
}

class MessageWriter {
  readonly #emitDefaults: boolean;

  constructor(emitDefaults: boolean) {
    this.#emitDefaults = emitDefaults;
  }

  message(type: protobuf.Type, message: Fields): Value {
    const wrapped = wrappedField(type);
    if (wrapped !== undefined && wrapped.resolvedType === null) {
      return writeScalar(wrapped.type, message["value"] ?? wrapped.defaultValue);
    }
    switch (type.fullName) {
      case ".google.protobuf.Any":
        return this.#any(type, message);
      case ".google.protobuf.Value":
        return writeValue(type, message);
      case ".google.protobuf.Struct":
        return writeStruct(type, message);
      case ".google.protobuf.ListValue":
        return writeListValue(type, message);
    }
    // What is left of them is text: Timestamp, Duration, FieldMask.
    if (isWellKnown(type)) return protojson.toJson(type, message) as string;
    return this.#fields(type, message);
  }

  #fields(type: protobuf.Type, message: Fields): ValueMap {
    const entries = new Map<string, Value>();
    for (const field of type.fieldsArray) {
      const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined;
      const written = this.#field(field.resolve(), value);
      if (written !== undefined) entries.set(jsonName(field), written);
    }
    return entries;
  }

  /** None for a field that is not to be written. */
  #field(field: protobuf.Field, value: unknown): Value | undefined {
    if (field instanceof protobuf.MapField) {
      const entries = Object.entries((value ?? {}) as Fields);
      if (entries.length === 0 && !this.#emitDefaults) return undefined;
      return new Map(
        entries.map(([key, one]) => [writeMapKey(field.keyType, key), this.#one(field, one)]),
      );
    }
    if (field.repeated) {
      const items = (value ?? []) as unknown[];
      if (items.length === 0 && !this.#emitDefaults) return undefined;
      return items.map((item) => this.#one(field, item));
    }
    if (hasPresence(field)) return value == null ? undefined : this.#one(field, value);
    if ((value == null || isDefault(value)) && !this.#emitDefaults) return undefined;
    return this.#one(field, value ?? field.defaultValue);
  }

  #one(field: protobuf.FieldBase, value: unknown): Value {
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type) return this.message(resolvedType, value as Fields);
    if (resolvedType instanceof protobuf.Enum) return writeEnum(resolvedType, value as number);
    return writeScalar(field.type, value);
  }

  #any(type: protobuf.Type, message: Fields): Value {
    const url = message[type.fieldsById[1]!.name] as string | undefined ?? "";
    const bytes = message[type.fieldsById[2]!.name] as Uint8Array | undefined ?? new Uint8Array();
    if (url === "" && bytes.length === 0) return new Map();
    const entries = new Map<string, Value>([["@type", url]]);
    const payload = findType(type.root, typeOfUrl(url));
    const decoded = payload === undefined ? undefined : decode(payload, bytes);
    if (payload === undefined || decoded === undefined) {
      return entries.set("@bytes", writeScalar("bytes", bytes));
    }
    if (isWellKnown(payload)) return entries.set("value", this.message(payload, decoded));
    for (const [key, value] of this.#fields(payload, decoded)) entries.set(key, value);
    return entries;
  }
}

/** None if the bytes are no such message. */
function decode(type: protobuf.Type, bytes: Uint8Array): Fields | undefined {
  try {
    return type.decode(bytes) as unknown as Fields;
  } catch {
    return undefined;
  }
}
