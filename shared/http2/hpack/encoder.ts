/**
 * The HPACK encoder (RFC 7541 §6): stateless, and so a lookup.
 *
 * | field                                  | representation                               |
 * | -------------------------------------- | -------------------------------------------- |
 * | in the static table, name and value    | indexed (§6.1)                               |
 * | a secret, or received as never indexed | literal never indexed (§6.2.3)               |
 * | any other                              | literal without indexing (§6.2.2)            |
 *
 * It has no dynamic table: what a list encodes to depends on nothing but the list. So a relay
 * encodes a list once and sends the bytes for each call that repeats it, to any peer; calls need no
 * order among each other; a connection costs no memory. Nor does it Huffman-code: the 30 bytes that
 * it would take off a request's 140 are nothing compared with the frames and packets around them, but both
 * ends would work for them at each call.
 *
 * @module
 */
import type { Field, HeaderList } from "../header_list.ts";
import { type Cursor, MAX_INTEGER_BYTES, writeInteger } from "./integer.ts";
import { INDEXED, LITERAL, LITERAL_NEVER_ADDED, TABLE_SIZE } from "./representation.ts";
import { STATIC_TABLE } from "./static_table.ts";
import { writeString } from "./string_literal.ts";

/**
 * Dynamic table size update to 0 (§6.3). Sent once, in front of the first block of a connection, it
 * says that we keep no table: whatever a peer's SETTINGS_HEADER_TABLE_SIZE becomes later, it waits
 * for no update, since none is due from a table that is already no larger (RFC 9113 §4.3.1).
 */
export const TABLE_SIZE_ZERO: number = TABLE_SIZE.pattern;

/** Fields that must not enter a compression state anywhere on their way (§7.1.3). */
const SECRETS: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie"]);

/** What a field takes at most in addition to name and value: an index or three integers. */
const MAX_FIELD_OVERHEAD = 1 + 2 * MAX_INTEGER_BYTES;

/** A name that the static table knows. */
interface StaticName {
  readonly index: number;
  /** Values in the table, with the indices from `index` on. */
  readonly values: readonly string[];
  readonly secret: boolean;
}

const STATIC_NAMES: ReadonlyMap<string, StaticName> = new Map(
  Map.groupBy(STATIC_TABLE, ([name]) => name).entries().map(([name, fields]) => [name, {
    index: 1 + STATIC_TABLE.indexOf(fields[0]!),
    values: fields.map(([, value]) => value),
    secret: SECRETS.has(name),
  }]),
);

/**
 * Encodes a list as one block.
 *
 * @throws {RangeError} If a name or value has a character over U+00FF.
 */
export function encodeHeaderList(fields: HeaderList): Uint8Array {
  let bytes = 0;
  for (const field of fields) bytes += maxFieldBytes(field);
  const into = new Uint8Array(bytes);
  return into.subarray(0, encodeInto(fields, into, 0));
}

/**
 * Encodes a list as one block into `into`, from `offset` on.
 *
 * @returns The offset after the block; or −1 if the block might not fit (up to 11 bytes a field
 * are asked for in addition to its name and value), in which case what `into` holds from `offset` on is
 * of no use.
 * @throws {RangeError} If a name or value has a character over U+00FF.
 */
export function encodeInto(fields: HeaderList, into: Uint8Array, offset: number): number {
  const cursor: Cursor = { bytes: into, pos: offset };
  for (const field of fields) {
    if (cursor.pos + maxFieldBytes(field) > into.length) return -1;
    // By index: taking a tuple apart runs its iterator.
    const name = field[0];
    const value = field[1];
    const known = STATIC_NAMES.get(name);
    const literal = field[2] === true || known?.secret ? LITERAL_NEVER_ADDED : LITERAL;
    const position = literal === LITERAL && known !== undefined ? known.values.indexOf(value) : -1;
    if (known === undefined) {
      into[cursor.pos++] = literal.pattern;
      writeString(cursor, name);
      writeString(cursor, value);
    } else if (position < 0) {
      const { pattern, mask } = literal;
      writeInteger(cursor, { pattern, mask, value: known.index });
      writeString(cursor, value);
    } else {
      into[cursor.pos++] = INDEXED.pattern | known.index + position;
    }
  }
  return cursor.pos;
}

function maxFieldBytes(field: Field): number {
  return field[0].length + field[1].length + MAX_FIELD_OVERHEAD;
}
