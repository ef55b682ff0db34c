/**
 * A node → a message, directed by the descriptor.
 *
 * The walk is ours, because only it knows the place of each value: unknown, repeated and missing
 * names, wrong types and numbers out of range are told where they stand. What the text of a
 * Timestamp, Duration or FieldMask means is told by `protobufjs/ext/protojson`.
 *
 * Values of fields without presence that equal the default are left out, as on the wire.
 *
 * @module
 */
import protobuf from "protobufjs";
import protojson from "protobufjs/ext/protojson";
import { MAX_DEPTH } from "./bounds.ts";
import { Fault, fieldStep, itemStep, keyStep, type Path } from "./fault.ts";
import {
  fieldsByName,
  findType,
  fullName,
  hasPresence,
  isDefault,
  isWellKnown,
  jsonName,
  takesNull,
  typeNames,
  typeOfUrl,
  wrappedField,
} from "./fields.ts";
import { closest } from "../text/closest.ts";
import { found, listed, type Node, type NodeEntry, quoteText } from "./node.ts";
import { readEnum, readMapKey, readScalar } from "./scalar.ts";
import { readListValue, readStruct, readValue } from "./struct.ts";

export interface ReadMessageOptions {
  /** Skips names that the type does not have, instead of refusing them. @default false */
  readonly allowUnknownFields?: boolean;
}

/**
 * Makes a message of a node.
 *
 * @throws {Fault} At the first value that does not fit.
 */
export function readMessage(
  type: protobuf.Type,
  node: Node,
  options: ReadMessageOptions = {},
): protobuf.Message {
  const { allowUnknownFields = false } = options;
  type.root.resolveAll();
  return new MessageReader(allowUnknownFields).message(type, node, { step: `/${type.name}` }, 0);
}

/** Well-known types that are a string, by an example of it. */
const TEXTS: Readonly<Record<string, string>> = {
  ".google.protobuf.Duration": 'a duration such as "3.5s"',
  ".google.protobuf.FieldMask": 'field names such as "user.displayName,photo"',
  ".google.protobuf.Timestamp": 'a time such as "2026-01-31T12:00:00Z"',
};

class MessageReader {
  readonly #allowUnknownFields: boolean;

  constructor(allowUnknownFields: boolean) {
    this.#allowUnknownFields = allowUnknownFields;
  }

  message(type: protobuf.Type, node: Node, path: Path, depth: number): protobuf.Message {
    if (depth > MAX_DEPTH) {
      throw new Fault(node.at, `Messages are nested more than ${MAX_DEPTH} deep`, path);
    }
    if (Object.hasOwn(TEXTS, type.fullName)) return text(type, node, path);
    const wrapped = wrappedField(type);
    if (wrapped !== undefined && wrapped.resolvedType === null) {
      const value = readScalar(wrapped.type, node, path);
      return type.create(isDefault(value) ? {} : { value });
    }
    switch (type.fullName) {
      case ".google.protobuf.Value":
        return readValue(type, node, { path, depth });
      case ".google.protobuf.Struct":
        return readStruct(type, node, { path, depth });
      case ".google.protobuf.ListValue":
        return readListValue(type, node, { path, depth });
    }
    if (node.kind !== "object") {
      const what = isWellKnown(type) ? "an object with @type" : `an object (${fullName(type)})`;
      throw new Fault(node.at, `Expected ${what}, found ${found(node)}`, path);
    }
    return type.fullName === ".google.protobuf.Any"
      ? this.#any(type, node.entries, path, depth)
      : this.#fields(type, node.entries, path, depth);
  }

  #fields(
    type: protobuf.Type,
    entries: readonly NodeEntry[],
    path: Path,
    depth: number,
  ): protobuf.Message {
    const fields = fieldsByName(type);
    const given = new Set<protobuf.Field>();
    const members = new Map<protobuf.OneOf, protobuf.Field>();
    const values: Record<string, unknown> = {};
    for (const { key, at, value } of entries) {
      const field = fields.get(key);
      const here = fieldStep(path, key);
      if (field === undefined) {
        if (this.#allowUnknownFields) continue;
        throw new Fault(at, unknownField(type, key), here);
      }
      if (given.has(field)) throw new Fault(at, "Given twice", here);
      given.add(field);
      if (value.kind === "null" && !takesNull(field)) continue;
      if (field.partOf !== null) {
        const other = members.get(field.partOf);
        if (other !== undefined) {
          const names = `"${jsonName(other)}" and "${jsonName(field)}"`;
          throw new Fault(
            at,
            `Expected at most one of ${names} (oneof ${field.partOf.name})`,
            here,
          );
        }
        members.set(field.partOf, field);
      }
      const read = this.#field(field, value, here, depth);
      if (hasPresence(field) || !isDefault(read)) values[field.name] = read;
    }
    return type.create(values);
  }

  #field(field: protobuf.Field, node: Node, path: Path, depth: number): unknown {
    if (field instanceof protobuf.MapField) return this.#map(field, node, path, depth);
    if (!field.repeated) return this.#one(field, node, path, depth);
    if (node.kind !== "list") {
      throw new Fault(node.at, `Expected a list, found ${found(node)}`, path);
    }
    return node.items.map((item, index) => {
      const here = itemStep(path, index);
      if (item.kind === "null" && !takesNull(field)) {
        throw new Fault(item.at, "Expected a value, found null: leave it out of the list", here);
      }
      return this.#one(field, item, here, depth);
    });
  }

  #map(field: protobuf.MapField, node: Node, path: Path, depth: number): unknown {
    if (node.kind !== "object") {
      throw new Fault(node.at, `Expected an object (a map), found ${found(node)}`, path);
    }
    // Without a prototype, "__proto__" is a key like any other.
    const map: Record<string, unknown> = Object.create(null);
    for (const { key, at, value } of node.entries) {
      const here = keyStep(path, key);
      const name = readMapKey(field.keyType, key, { at, path: here });
      if (Object.hasOwn(map, name)) throw new Fault(at, "Given twice", here);
      if (value.kind === "null" && !takesNull(field)) {
        throw new Fault(value.at, "Expected a value, found null: leave the entry out", here);
      }
      map[name] = this.#one(field, value, here, depth);
    }
    return map;
  }

  #one(field: protobuf.FieldBase, node: Node, path: Path, depth: number): unknown {
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type) {
      return this.message(resolvedType, node, path, depth + 1);
    }
    if (resolvedType instanceof protobuf.Enum) return readEnum(resolvedType, node, path);
    return readScalar(field.type, node, path);
  }

  #any(
    type: protobuf.Type,
    entries: readonly NodeEntry[],
    path: Path,
    depth: number,
  ): protobuf.Message {
    const [typeUrl, value] = [type.fieldsById[1]!.name, type.fieldsById[2]!.name];
    if (entries.length === 0) return type.create({});
    const [url, again] = entries.filter(({ key }) => key === "@type");
    if (url === undefined || url.value.kind !== "string") {
      throw new Fault(
        url?.at ?? entries[0]!.at,
        'Expected "@type", such as "type.googleapis.com/google.protobuf.Duration"',
        path,
      );
    }
    if (again !== undefined) throw new Fault(again.at, "Given twice", fieldStep(path, "@type"));
    const rest = entries.filter((entry) => entry !== url);
    const bytes = this.#payload(type.root, url.value, rest, path, depth);
    return type.create({
      ...(url.value.text === "" ? {} : { [typeUrl]: url.value.text }),
      ...(bytes.length === 0 ? {} : { [value]: bytes }),
    });
  }

  #payload(
    root: protobuf.Root,
    url: Node & { kind: "string" },
    entries: readonly NodeEntry[],
    path: Path,
    depth: number,
  ): Uint8Array {
    const [first] = entries;
    if (first?.key === "@bytes" && entries.length === 1) {
      return readScalar("bytes", first.value, fieldStep(path, "@bytes")) as Uint8Array;
    }
    const name = typeOfUrl(url.text);
    const payload = findType(root, name);
    if (payload === undefined) {
      const meant = closest(name, typeNames(root));
      const hint = meant === undefined ? "" : `: did you mean "${meant}"?`;
      throw new Fault(url.at, `Unknown type ${quoteText(name)}${hint}`, fieldStep(path, "@type"));
    }
    // Some write the value of an Empty, which has no fields, and some do not.
    const isEmpty = payload.fullName === ".google.protobuf.Empty";
    if (!isWellKnown(payload) && !(isEmpty && first?.key === "value")) {
      return payload.encode(this.#fields(payload, entries, path, depth + 1)).finish();
    }
    const other = entries.find(({ key }, index) => key !== "value" || index > 0);
    if (other !== undefined) {
      throw new Fault(other.at, `Expected only "value" beside "@type"`, fieldStep(path, other.key));
    }
    if (first === undefined) {
      throw new Fault(url.at, `Expected "value", which holds the ${payload.name}`, path);
    }
    const inner = this.message(payload, first.value, fieldStep(path, "value"), depth + 1);
    return payload.encode(inner).finish();
  }
}

/** Reads a Timestamp, Duration or FieldMask. */
function text(type: protobuf.Type, node: Node, path: Path): protobuf.Message {
  const expected = TEXTS[type.fullName];
  if (node.kind !== "string") {
    throw new Fault(node.at, `Expected ${expected}, found ${found(node)}`, path);
  }
  try {
    return protojson.fromJson(type, node.text);
  } catch (error) {
    const range = String(error).includes("out of range") ? ", which is out of range" : "";
    throw new Fault(node.at, `Expected ${expected}, found ${found(node)}${range}`, path);
  }
}

function unknownField(type: protobuf.Type, name: string): string {
  const names = type.fieldsArray.map(jsonName);
  const meant = closest(name, names);
  if (meant !== undefined) return `Unknown field: did you mean "${meant}"?`;
  if (names.length === 0) return `Unknown field: ${fullName(type)} has none`;
  return `Unknown field: ${fullName(type)} has ${listed(names)}`;
}
