/**
 * Fields that proto2 calls `required`. protobufjs sends one that is missing as if it were given empty,
 * and refuses to read a message without it.
 *
 * @module
 */
import protobuf from "protobufjs";
import { fieldStep, itemStep, keyStep, type Path, pathText } from "./fault.ts";
import { jsonName } from "./fields.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The place of the first required field that a message lacks, such as `/Order/lines[1]/sku`. */
export function missingRequired(type: protobuf.Type, message: object): string | undefined {
  type.root.resolveAll();
  const path = missing(type, message as Fields, { step: `/${type.name}` });
  return path && pathText(path);
}

function missing(type: protobuf.Type, message: Fields, path: Path): Path | undefined {
  for (const field of type.fieldsArray) {
    const here = fieldStep(path, jsonName(field));
    const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined;
    if (value === undefined || value === null) {
      if (field.required) return here;
      continue;
    }
    const inner = field.resolve().resolvedType;
    if (!(inner instanceof protobuf.Type)) continue;
    for (const [one, place] of messagesIn(field, value, here)) {
      const found = missing(inner, one, place);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function messagesIn(field: protobuf.Field, value: unknown, path: Path): [Fields, Path][] {
  if (field instanceof protobuf.MapField) {
    const entries = Object.entries(value as Record<string, Fields>);
    return entries.map(([key, one]) => [one, keyStep(path, key)]);
  }
  if (!field.repeated) return [[value as Fields, path]];
  return (value as Fields[]).map((one, index) => [one, itemStep(path, index)]);
}
