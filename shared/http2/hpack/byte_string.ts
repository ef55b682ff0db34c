/**
 * Byte strings: one UTF-16 unit (0–255) per byte, in the way that costs least for each length.
 *
 * Most strings in header blocks are shorter than the price of leaving JavaScript; a few (tokens,
 * binary metadata) are long. The borders below were measured on Deno 2.9.6.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Cursor } from "./integer.ts";

/** Up to here `String.fromCharCode` is faster than a call into the runtime. */
const SHORT_READ = 16;
/** Up to here a loop is faster than a call into the runtime. */
const SHORT_WRITE = 96;

/** `Buffer`'s own latin1 reader; like all of its readers it works on any Uint8Array. */
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, from: number, to: number): string;
};

/** Arguments for `String.fromCharCode`, one array for each short length. */
const CODES = Array.from({ length: SHORT_READ + 1 }, (_, length) => new Array<number>(length));
for (const codes of CODES) codes.fill(0);

/** The bytes from `from` up to `to` as a byte string. */
export function readBytes(bytes: Uint8Array, from: number, to: number): string {
  const length = to - from;
  if (length > SHORT_READ) return latin1Slice.call(bytes, from, to);
  const codes = CODES[length]!;
  for (let i = 0; i < length; i++) codes[i] = bytes[from + i]!;
  return String.fromCharCode.apply(null, codes);
}

const utf8 = new TextEncoder();

/**
 * Writes a byte string at the cursor, which must have room for it, and moves the cursor to its end.
 *
 * @throws {RangeError} If a character is over U+00FF. Cut to a byte it could become anything, also
 * a line break.
 */
export function writeBytes(cursor: Cursor, text: string): void {
  const { bytes, pos } = cursor;
  const length = text.length;
  cursor.pos = pos + length;
  if (length > SHORT_WRITE) {
    // In UTF-8 only ASCII has as many bytes as characters.
    const { read, written } = utf8.encodeInto(text, bytes.subarray(pos, pos + length));
    if (read === length && written === length) return;
  }
  let seen = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    seen |= code;
    bytes[pos + i] = code;
  }
  if (seen > 0xff) throw new RangeError("Cannot encode header field: a character is over U+00FF");
}
