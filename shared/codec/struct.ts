/**
 * `google.protobuf.Struct`, `Value` and `ListValue`: any JSON within a message.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { MAX_DEPTH } from "./bounds.ts";
import { Fault, itemStep, keyStep, type Path } from "./fault.ts";
import { found, type Node } from "./node.ts";
import { readScalar, refuseTrap, wellFormed } from "./scalar.ts";
import type { Value } from "./value.ts";

/** Names of the members of `Value`, which are what its descriptor calls them. */
const KINDS = {
  null: 1,
  number: 2,
  string: 3,
  boolean: 4,
  object: 5,
  list: 6,
} as const;

const memberName = (type: protobuf.Type, kind: keyof typeof KINDS): string =>
  type.fieldsById[KINDS[kind]]!.name;

/** Where a value stands in a message, and how many others are around it. */
export interface ValuePlace {
  readonly path: Path;
  readonly depth: number;
}

/** Reads a `Value`. */
export function readValue(type: protobuf.Type, node: Node, place: ValuePlace): protobuf.Message {
  checkDepth(node, place);
  refuseTrap("any", node, place.path);
  return type.create({ [memberName(type, node.kind)]: member(type, node, place) });
}

function member(type: protobuf.Type, node: Node, { path, depth }: ValuePlace): unknown {
  switch (node.kind) {
    case "null":
      return 0;
    case "boolean":
      return node.value;
    case "string":
      return wellFormed(node.text, node, path);
    case "number": {
      const number = readScalar("double", node, path) as number;
      if (Number.isFinite(number)) return number;
      throw new Fault(node.at, `Expected a finite number, found ${node.text}`, path);
    }
    case "object":
      return readStruct(resolved(type, KINDS.object), node, { path, depth: depth + 1 });
    case "list":
      return readListValue(resolved(type, KINDS.list), node, { path, depth: depth + 1 });
  }
}

/** Reads a `Struct`. */
export function readStruct(type: protobuf.Type, node: Node, place: ValuePlace): protobuf.Message {
  checkDepth(node, place);
  const { path, depth } = place;
  if (node.kind !== "object") {
    throw new Fault(node.at, `Expected an object, found ${found(node)}`, path);
  }
  const fields: Record<string, unknown> = Object.create(null);
  for (const { key, at, value } of node.entries) {
    const here = keyStep(path, key);
    if (Object.hasOwn(fields, key)) throw new Fault(at, "Given twice", here);
    fields[wellFormed(key, { at }, here)] = readValue(resolved(type, 1), value, {
      path: here,
      depth: depth + 1,
    });
  }
  return type.create({ fields });
}

/** Reads a `ListValue`. */
export function readListValue(
  type: protobuf.Type,
  node: Node,
  place: ValuePlace,
): protobuf.Message {
  checkDepth(node, place);
  const { path, depth } = place;
  if (node.kind !== "list") {
    throw new Fault(node.at, `Expected a list, found ${found(node)}`, path);
  }
  const values = node.items.map((item, index) =>
    readValue(resolved(type, 1), item, { path: itemStep(path, index), depth: depth + 1 })
  );
  return type.create({ values });
}

function resolved(type: protobuf.Type, id: number): protobuf.Type {
  return type.fieldsById[id]!.resolve().resolvedType as protobuf.Type;
}

function checkDepth(node: Node, { path, depth }: ValuePlace): void {
  if (depth <= MAX_DEPTH) return;
  throw new Fault(node.at, `Messages are nested more than ${MAX_DEPTH} deep`, path);
}

type Fields = Readonly<Record<string, unknown>>;

/** Hears of a value that JSON cannot hold, and why. */
export type OnOdd = (path: Path, reason: string) => void;

/**
 * Writes `Struct`, `Value` and `ListValue` as JSON. What is no JSON number, such as NaN, becomes text
 * as in a field of type double.
 */
export class StructWriter {
  readonly #onOdd: OnOdd;

  constructor(onOdd: OnOdd) {
    this.#onOdd = onOdd;
  }

  /** A `Value`. One without a kind, which nobody should send, is `null`. */
  value(type: protobuf.Type, message: Fields, path: Path): Value {
    const kind = (Object.keys(KINDS) as (keyof typeof KINDS)[]).find((kind) =>
      Object.hasOwn(message, memberName(type, kind))
    );
    if (kind === undefined || kind === "null") return null;
    const value = message[memberName(type, kind)];
    if (kind === "object") return this.struct(resolved(type, KINDS.object), value as Fields, path);
    if (kind === "list") return this.list(resolved(type, KINDS.list), value as Fields, path);
    if (kind === "number" && !Number.isFinite(value)) {
      this.#onOdd(path, `google.protobuf.Value cannot hold the number ${value}`);
      return String(value);
    }
    return value as Value;
  }

  struct(type: protobuf.Type, { fields = {} }: Fields, path: Path): Value {
    const entries = Object.entries(fields as Record<string, Fields>);
    const of = resolved(type, 1);
    return new Map(entries.map(([key, value]) => [key, this.value(of, value, keyStep(path, key))]));
  }

  list(type: protobuf.Type, { values = [] }: Fields, path: Path): Value {
    const of = resolved(type, 1);
    return (values as Fields[]).map((value, i) => this.value(of, value, itemStep(path, i)));
  }
}
