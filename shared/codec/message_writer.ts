/**
 * A message → its ProtoJSON value, in the order of the fields in the `.proto` file.
 *
 * Where `protobufjs/ext/protojson` would lose or refuse something, this does not: `-0`, the
 * shortest text of a float, an Any of a type that is not known (its bytes, as `@bytes`), and odd
 * values, which a server may send although ProtoJSON has no form for them:
 *
 *     year 10000 in a Timestamp, a FieldMask of "custom_label_0"   its fields, as of any message
 *     NaN in a Value                                               the text "NaN"
 *
 * One odd value must not cost the whole answer of a call that was carried out.
 *
 * @module
 */
import protobuf from "protobufjs";
import protojson from "protobufjs/ext/protojson";
import { fieldStep, itemStep, keyStep, type Path, pathText } from "./fault.ts";
import {
  findType,
  hasPresence,
  isDefault,
  isWellKnown,
  jsonName,
  protoName,
  typeOfUrl,
  wrappedField,
} from "./fields.ts";
import { writeEnum, writeMapKey, writeScalar } from "./scalar.ts";
import { StructWriter } from "./struct.ts";
import type { Value, ValueMap } from "./value.ts";

/** A value that ProtoJSON has no form for. */
export interface OddValue {
  /** Such as `/GetStatusResponse/state/since`. */
  readonly path: string;
  readonly reason: string;
}

export interface MessageValueOptions {
  /** Writes fields without presence also when they are unset. @default false */
  readonly emitDefaults?: boolean;
  /** Hears of each odd value. @default nobody */
  readonly onOdd?: (odd: OddValue) => void;
}

type Fields = Readonly<Record<string, unknown>>;

/** The ProtoJSON value of a message. */
export function messageValue(
  type: protobuf.Type,
  message: object,
  options: MessageValueOptions = {},
): Value {
  type.root.resolveAll();
  return new MessageWriter(options).message(type, message as Fields, { step: `/${type.name}` });
}

class MessageWriter {
  readonly #emitDefaults: boolean;
  readonly #onOdd: (path: Path, reason: string) => void;
  readonly #structs: StructWriter;

  constructor({ emitDefaults = false, onOdd = () => {} }: MessageValueOptions) {
    this.#emitDefaults = emitDefaults;
    this.#onOdd = (path, reason) => onOdd({ path: pathText(path), reason });
    this.#structs = new StructWriter(this.#onOdd);
  }

  message(type: protobuf.Type, message: Fields, path: Path): Value {
    const wrapped = wrappedField(type);
    if (wrapped !== undefined && wrapped.resolvedType === null) {
      return writeScalar(wrapped.type, message["value"] ?? wrapped.defaultValue);
    }
    switch (type.fullName) {
      case ".google.protobuf.Any":
        return this.#any(type, message, path);
      case ".google.protobuf.Value":
        return this.#structs.value(type, message, path);
      case ".google.protobuf.Struct":
        return this.#structs.struct(type, message, path);
      case ".google.protobuf.ListValue":
        return this.#structs.list(type, message, path);
    }
    // What is left of them is text: Timestamp, Duration, FieldMask.
    if (isWellKnown(type)) return this.#text(type, message, path);
    return this.#fields(type, message, path);
  }

  #text(type: protobuf.Type, message: Fields, path: Path): Value {
    try {
      return protojson.toJson(type, message) as string;
    } catch (error) {
      this.#onOdd(path, error instanceof Error ? error.message : String(error));
      return this.#fields(type, message, path);
    }
  }

  #fields(type: protobuf.Type, message: Fields, path: Path): Map<string, Value> {
    const entries = new Map<string, Value>();
    for (const field of type.fieldsArray) {
      const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined;
      const written = this.#field(field.resolve(), value, path);
      if (written !== undefined) entries.set(jsonName(field), written);
    }
    return entries;
  }

  /** None for a field that is not to be written. */
  #field(field: protobuf.Field, value: unknown, parent: Path): Value | undefined {
    const path = fieldStep(parent, jsonName(field));
    if (field instanceof protobuf.MapField) {
      const entries = Object.entries((value ?? {}) as Fields);
      if (entries.length === 0 && !this.#emitDefaults) return undefined;
      return new Map(entries.map(([key, one]) => {
        const name = writeMapKey(field.keyType, key);
        return [name, this.#one(field, one, keyStep(path, name))];
      }));
    }
    if (field.repeated) {
      const items = (value ?? []) as unknown[];
      if (items.length === 0 && !this.#emitDefaults) return undefined;
      return items.map((item, index) => this.#one(field, item, itemStep(path, index)));
    }
    const none = value === undefined || value === null;
    if (hasPresence(field)) return none ? undefined : this.#one(field, value, path);
    if ((none || isDefault(value)) && !this.#emitDefaults) return undefined;
    return this.#one(field, value ?? field.defaultValue, path);
  }

  #one(field: protobuf.FieldBase, value: unknown, path: Path): Value {
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type) {
      return this.message(resolvedType, value as Fields, path);
    }
    if (resolvedType instanceof protobuf.Enum) return writeEnum(resolvedType, value as number);
    return writeScalar(field.type, value);
  }

  #any(type: protobuf.Type, message: Fields, path: Path): Value {
    const url = message[type.fieldsById[1]!.name] as string | undefined ?? "";
    const bytes = message[type.fieldsById[2]!.name] as Uint8Array | undefined ?? new Uint8Array();
    if (url === "" && bytes.length === 0) return new Map();
    const entries = new Map<string, Value>([["@type", url]]);
    const payload = findType(type.root, typeOfUrl(url));
    const decoded = payload === undefined ? undefined : decode(payload, bytes);
    if (payload === undefined || decoded === undefined) {
      return entries.set("@bytes", writeScalar("bytes", bytes));
    }
    if (isWellKnown(payload)) {
      return entries.set("value", this.message(payload, decoded, fieldStep(path, "value")));
    }
    const fields: ValueMap = this.#fields(payload, decoded, path);
    for (const field of payload.fieldsArray) {
      const value = fields.get(jsonName(field));
      // A field may have the JSON name "@type", which is taken here.
      const name = entries.has(jsonName(field)) ? protoName(field) : jsonName(field);
      if (value !== undefined) entries.set(name, value);
    }
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
