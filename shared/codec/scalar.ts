/**
 * Scalars and enums: nodes → what protobufjs holds, and back to ProtoJSON.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import protobuf from "protobufjs";
import { Fault, type Path } from "./fault.ts";
import { Long } from "./long.ts";
import { closest } from "../text/closest.ts";
import { found, listed, type Node, quoteText } from "./node.ts";
import type { Value } from "./value.ts";

/** Least and greatest value of each integer type. */
const RANGES: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  sint32: [-(2n ** 31n), 2n ** 31n - 1n],
  sfixed32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  fixed32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  sfixed64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
};

export function isInteger(type: string): boolean {
  return Object.hasOwn(RANGES, type);
}

function is64Bit(type: string): boolean {
  return type.endsWith("64");
}

function isUnsigned(type: string): boolean {
  return type.startsWith("u") || type.startsWith("f");
}

/**
 * Reads a value of a scalar type.
 *
 * @throws {Fault} If the node is none, naming what would be.
 */
export function readScalar(type: string, node: Node, path: Path): unknown {
  const fail = (expected: string): never => {
    throw new Fault(node.at, `Expected ${expected}, found ${found(node)}`, path);
  };
  refuseTrap(type, node, path);
  switch (type) {
    case "bool":
      return node.kind === "boolean" ? node.value : fail("true or false");
    case "string":
      if (node.kind === "string") return wellFormed(node.text, node, path);
      return fail(
        node.kind === "number" || node.kind === "boolean" ? "a string (quote it)" : "a string",
      );
    case "bytes":
      return node.kind === "string" && readBase64(node.text) || fail("base64");
    case "float":
    case "double":
      if (node.kind !== "number" && node.kind !== "string") return fail("a number");
      if (!isFloat(node.text)) return fail("a number");
      return readFloat(type, node.text) ?? fail(`a number within the range of ${type}`);
    default: {
      if (node.kind !== "number" && node.kind !== "string") return fail("an integer");
      const integer = readInteger(node.text) ?? fail("an integer");
      const [min, max] = RANGES[type]!;
      if (integer < min || integer > max) return fail(`${type}, from ${min} to ${max}`);
      return is64Bit(type) ? Long.fromString(String(integer), isUnsigned(type)) : Number(integer);
    }
  }
}

/**
 * Refuses what two readers of YAML take for two things.
 *
 * @param type A scalar's, or `any` for a value that may have each of them.
 */
export function refuseTrap(type: string, node: Node, path: Path): void {
  const trap = "trap" in node ? node.trap : undefined;
  if (trap === undefined) return;
  const { source, number, boolean } = trap;
  const quoted = JSON.stringify(source);
  const typed = type === "bool" ? boolean : type === "string" ? quoted : number;
  const instead = type === "any"
    ? [number ?? boolean, quoted].filter(Boolean).join(", or ")
    : typed;
  if (instead === undefined) return;
  throw new Fault(node.at, `${source} is not the same in YAML 1.1 and 1.2: write ${instead}`, path);
}

/** A string without half characters, which have no UTF-8. */
export function wellFormed(text: string, node: { at: number }, path: Path): string {
  if (text.isWellFormed()) return text;
  throw new Fault(node.at, "Expected Unicode text, found half of a surrogate pair", path);
}

/** Bytes of standard or URL-safe base64, padded or not. */
export function readBase64(text: string): Uint8Array | undefined {
  const bare = text.replace(/={1,2}$/, "");
  if (!/^[A-Za-z0-9+/_-]*$/.test(bare) || bare.length % 4 === 1) return undefined;
  if (bare !== text && text.length % 4 !== 0) return undefined;
  return Buffer.from(bare, "base64url");
}

const DECIMAL = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;
/** No integer has more digits: a shorter number with a greater exponent is out of every range. */
const MAX_DIGITS = 40;

/** An integer, however it is written, without the detour of a double: `1e3` and `5.0` are some. */
function readInteger(text: string): bigint | undefined {
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+(?=.)/, "");
  const zeros = Number(exponent) - fraction.length;
  if (digits === "0") return 0n;
  if (zeros >= 0) {
    const written = digits + "0".repeat(Math.min(zeros, MAX_DIGITS));
    return BigInt(sign + written.slice(0, MAX_DIGITS));
  }
  const kept = digits.slice(0, zeros);
  if (kept === "" || /[^0]/.test(digits.slice(zeros))) return undefined;
  return BigInt(sign + kept.slice(0, MAX_DIGITS));
}

const SPECIAL: Readonly<Record<string, number>> = {
  NaN: NaN,
  Infinity: Infinity,
  "-Infinity": -Infinity,
};

function isFloat(text: string): boolean {
  return Object.hasOwn(SPECIAL, text) || DECIMAL.test(text);
}

/** None if it is out of range. */
function readFloat(type: "float" | "double", text: string): number | undefined {
  if (Object.hasOwn(SPECIAL, text)) return SPECIAL[text];
  const number = type === "float" ? Math.fround(Number(text)) : Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** Reads an enum's name or number; unknown numbers are kept. */
export function readEnum(type: protobuf.Enum, node: Node, path: Path): number {
  if (node.kind === "string") {
    const number = Object.hasOwn(type.values, node.text) ? type.values[node.text] : undefined;
    if (number !== undefined) return number;
    throw new Fault(node.at, unknownEnum(type, node.text), path);
  }
  if (node.kind === "number") {
    refuseTrap("int32", node, path);
    const number = readInteger(node.text);
    if (number !== undefined && BigInt.asIntN(32, number) === number) return Number(number);
  }
  if (node.kind === "null" && type.fullName === ".google.protobuf.NullValue") return 0;
  throw new Fault(node.at, `Expected ${enumNames(type)}, found ${found(node)}`, path);
}

function unknownEnum(type: protobuf.Enum, name: string): string {
  const meant = closest(name, Object.keys(type.values));
  const hint = meant === undefined ? "" : `: did you mean "${meant}"?`;
  return `Expected ${enumNames(type)}, found ${quoteText(name)}${hint}`;
}

function enumNames(type: protobuf.Enum): string {
  return `one of ${listed(Object.keys(type.values))}`;
}

/** Reads the key of a map as protobufjs keeps it: its plain text. */
export function readMapKey(
  type: string,
  key: string,
  { at, path }: { readonly at: number; readonly path: Path },
): string {
  const node: Node = { kind: "string", at, text: key };
  if (type === "bool") {
    if (key === "true" || key === "false") return key;
    throw new Fault(at, `Expected true or false as key, found ${quoteText(key)}`, path);
  }
  if (type === "string") return wellFormed(key, node, path);
  if (!/^-?[0-9]+$/.test(key)) {
    throw new Fault(at, `Expected an integer as key, found ${quoteText(key)}`, path);
  }
  return String(readScalar(type, node, path));
}

/** The key of a map as ProtoJSON has it. protobufjs decodes 64-bit keys to eight odd characters. */
export function writeMapKey(type: string, key: string): string {
  if (type === "bool") return key === "true" || key === "1" ? "true" : "false";
  return is64Bit(type) ? String(protobuf.util.longFromKey(key, isUnsigned(type))) : key;
}

/** A scalar as ProtoJSON has it. */
export function writeScalar(type: string, value: unknown): Value {
  if (type === "bytes") return Buffer.from(value as Uint8Array).toString("base64");
  if (is64Bit(type)) return String(value);
  if (type === "float") return writeFloat(value as number);
  if (type === "double" && !Number.isFinite(value)) return String(value);
  return value as Value;
}

/** The shortest number that is the same float: 0.1, not 0.10000000149011612. */
function writeFloat(value: number): Value {
  if (!Number.isFinite(value)) return String(value);
  for (let digits = 6; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return Object.is(value, -0) ? value : short;
  }
  return value;
}

/** An enum as ProtoJSON has it: its name, or its number if it has none. */
export function writeEnum(type: protobuf.Enum, value: number): Value {
  if (type.fullName === ".google.protobuf.NullValue") return null;
  return type.valuesById[value] ?? value;
}
