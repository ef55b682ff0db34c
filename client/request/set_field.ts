/**
 * `--set`: single fields on top of a request.
 *
 *     wait=60s              a string, number, bool, enum, duration … as text
 *     a.b=1                 a field of a message within
 *     labels.env=prod       an entry of a map
 *     list=["a","b"]        lists, maps and messages as JSON
 *     list[0]=a             one of a list; the number after its last one adds one
 *     lines[0].text=x       a field of a message in a list
 *
 * @module
 */
import type protobuf from "protobufjs";
import { DocumentError, readMessages, writeMessage } from "../../shared/codec/document.ts";
import { fieldsByName, jsonName } from "../../shared/codec/fields.ts";
import { UsageError } from "../../shared/cli/program.ts";

type Json = Record<string, unknown>;

/** Messages that JSON writes as one string. */
const TEXT_TYPES = [
  ".google.protobuf.Duration",
  ".google.protobuf.Timestamp",
  ".google.protobuf.FieldMask",
];

/**
 * The message with these fields set. It goes by way of its JSON: there every field has one name and
 * one place, whatever form the request had.
 *
 * @throws {UsageError} If there is no such field, or the value is none for it.
 */
export function setFields(
  message: protobuf.Message,
  { type, assignments }: { readonly type: protobuf.Type; readonly assignments: readonly string[] },
): protobuf.Message {
  if (assignments.length === 0) return message;
  // Without a prototype, "__proto__" is a key like any other.
  const json: Json = JSON.parse(
    writeMessage(message, { type, format: "json" }),
    (_, value) => isObject(value) ? Object.assign(Object.create(null), value) : value,
  );
  for (const assignment of assignments) setField(json, type, assignment);
  const source = `--set ${assignments.join(" --set ")}`;
  try {
    return readMessages(JSON.stringify(json), { type, format: "json", source })[0]!;
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    // Line and column would be those of a text that nobody wrote.
    throw new UsageError(`${source}: ${error.path}: ${error.reason}`, { cause: error });
  }
}

function setField(json: Json, root: protobuf.Type, assignment: string): void {
  const split = assignment.indexOf("=");
  if (split <= 0) {
    throw new UsageError(`Cannot use --set ${assignment}`, { hint: "Write FIELD=VALUE" });
  }
  // The name of an extension, in brackets, has dots.
  const path = assignment.slice(0, split).match(/\[[^\]]*\]|[^.]+|(?<=\.)(?=\.|$)/g) ?? [""];
  const text = assignment.slice(split + 1);
  let type: protobuf.Type = root;
  let place = json;
  for (let i = 0; i < path.length; i++) {
    const [, name = "", number] = INDEXED.exec(path[i]!)!;
    const field = findField(type, name, assignment);
    const key = jsonName(field);
    // The name of an extension has brackets of its own, and a number in others after it.
    const after = number === undefined && field.repeated
      ? /^\[(\d+)\]$/.exec(path[i + 1] ?? "")?.[1]
      : undefined;
    if (after !== undefined) i++;
    const index = number ?? after;
    const rest = path.slice(i + 1);
    if (index !== undefined) {
      const items = itemsOf(place, field, { index: Number(index), assignment });
      if (rest.length === 0) {
        items[Number(index)] = scalarOf(field, text, assignment);
        return;
      }
      type = innerType(field, { name, assignment });
      items[Number(index)] ??= Object.create(null);
      place = items[Number(index)] as Json;
      continue;
    }
    if (rest.length === 0) {
      place[key] = valueOf(field, text, assignment);
      for (const other of field.partOf?.fieldsArray ?? []) {
        if (other !== field) delete place[jsonName(other)];
      }
      return;
    }
    if (field.map) {
      // A key may hold dots.
      const entries = within(place, key);
      entries[rest.join(".")] = scalarOf(field, text, assignment);
      return;
    }
    if (field.repeated) {
      throw new UsageError(`Cannot use --set ${assignment}: "${name}" is a list`, {
        hint: `Write ${name}[0]. for a field of its first item`,
      });
    }
    type = innerType(field, { name, assignment });
    place = within(place, key);
  }
}

/** A name, and the number of an item. */
const INDEXED = /^(.+?)(?:\[(\d+)\])?$/s;

function innerType(
  field: protobuf.Field,
  { name, assignment }: { readonly name: string; readonly assignment: string },
): protobuf.Type {
  const inner = field.resolve().resolvedType;
  if (inner !== null && "fieldsArray" in inner) return inner;
  throw new UsageError(`Cannot use --set ${assignment}: "${name}" has no fields of its own`);
}

/** The list of a field, with room for an item of this number. */
function itemsOf(
  place: Json,
  field: protobuf.Field,
  { index, assignment }: { readonly index: number; readonly assignment: string },
): unknown[] {
  if (!field.repeated) {
    throw new UsageError(`Cannot use --set ${assignment}: "${jsonName(field)}" is not a list`);
  }
  const key = jsonName(field);
  const items = (Object.hasOwn(place, key) ? place[key] : place[key] = []) as unknown[];
  if (index > items.length) {
    throw new UsageError(`Cannot use --set ${assignment}: the list has ${items.length} items`, {
      hint: `Write ${key}[${items.length}] for the next one`,
    });
  }
  return items;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function within(place: Json, key: string): Json {
  const inner = Object.hasOwn(place, key) ? place[key] : undefined;
  if (typeof inner === "object" && inner !== null) return inner as Json;
  const made: Json = Object.create(null);
  place[key] = made;
  return made;
}

function findField(type: protobuf.Type, name: string, assignment: string): protobuf.Field {
  const field = fieldsByName(type).get(name);
  if (field !== undefined) return field;
  const names = type.fieldsArray.map(jsonName).join(", ");
  throw new UsageError(`Cannot use --set ${assignment}: ${type.name} has no field "${name}"`, {
    hint: names === "" ? `${type.name} has no fields` : `Its fields are ${names}`,
  });
}

function valueOf(field: protobuf.Field, text: string, assignment: string): unknown {
  if (field.map) return json(text, assignment, 'JSON such as {"a":"b"} here');
  if (field.repeated) return json(text, assignment, 'JSON such as ["a","b"] here');
  return scalarOf(field, text, assignment);
}

function scalarOf(field: protobuf.Field, text: string, assignment: string): unknown {
  const { resolvedType } = field.resolve();
  if (resolvedType !== null && "fieldsArray" in resolvedType) {
    return TEXT_TYPES.includes(resolvedType.fullName)
      ? text
      : json(text, assignment, 'JSON such as {"a":"b"} here');
  }
  // ProtoJSON takes numbers as text too, but neither bools nor numbers of enums.
  const isWord = field.type === "bool" || (resolvedType !== null && /^-?\d+$/.test(text));
  const expected = field.type === "bool" ? "true or false" : "a name or a number";
  return isWord ? json(text, assignment, expected) : text;
}

function json(text: string, assignment: string, expected: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`Cannot use --set ${assignment}: the value must be ${expected}`, {
      cause: error,
    });
  }
}
