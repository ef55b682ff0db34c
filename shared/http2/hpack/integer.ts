/**
 * Integers with a prefix (RFC 7541 §5.1).
 *
 *       0   1   2   3   4   5   6   7
 *     +---+---+---+---+---+---+---+---+
 *     | ?   ?   ? |     prefix        |   the value, if it is less than 2^N - 1
 *     +---+---+---+-------------------+   else all ones, and the rest follows in
 *     | 1 |   Value-(2^N-1) LSB       |   groups of 7 bits, least significant first,
 *     +---+---------------------------+   the last one without its high bit
 *     | 0 |   Value-(2^N-1) MSB       |
 *     +---+---------------------------+
 *
 * A prefix of N bits is given as its mask, 2^N - 1.
 *
 * @module
 */
import { HpackError } from "./errors.ts";

/** A place in a header block. */
export interface Cursor {
  bytes: Uint8Array;
  /** Offset of the next byte to read. */
  pos: number;
}

/** The largest integer that is read. No index, length or table size of ours comes near it. */
export const MAX_INTEGER = 2 ** 28;

/** Bytes that an integer takes at most: its prefix and four groups of 7 bits. */
export const MAX_INTEGER_BYTES = 5;
const LAST_SHIFT = 7 * (MAX_INTEGER_BYTES - 2);

/**
 * Reads the integer at the cursor and moves the cursor to its end.
 *
 * @throws {HpackError} If the block ends inside it, or it is over {@linkcode MAX_INTEGER}, or is
 * padded with more zeros than the largest one needs.
 */
export function readInteger(cursor: Cursor, mask: number): number {
  const { bytes, pos: start } = cursor;
  if (start >= bytes.length) throw new HpackError("the block ends where an integer begins", start);
  let pos = start;
  let value = bytes[pos++]! & mask;
  if (value === mask) {
    for (let shift = 0;; shift += 7) {
      if (pos >= bytes.length) throw new HpackError("the block ends inside an integer", start);
      const byte = bytes[pos++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
      if (shift === LAST_SHIFT) throw new HpackError("an integer is too long", start);
    }
    if (value > MAX_INTEGER) throw new HpackError("an integer is too large", start);
  }
  cursor.pos = pos;
  return value;
}

/** An integer still to be written: `pattern` holds the bits of its first byte before the prefix. */
export interface PrefixedInteger {
  readonly pattern: number;
  readonly mask: number;
  readonly value: number;
}

/**
 * Writes an integer at the cursor, which must have {@linkcode MAX_INTEGER_BYTES} of room, and moves
 * the cursor to its end.
 */
export function writeInteger(cursor: Cursor, { pattern, mask, value }: PrefixedInteger): void {
  const { bytes } = cursor;
  if (value < mask) {
    bytes[cursor.pos++] = pattern | value;
    return;
  }
  bytes[cursor.pos++] = pattern | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) bytes[cursor.pos++] = rest & 0x7f | 0x80;
  bytes[cursor.pos++] = rest;
}
