/**
 * String literals (RFC 7541 §5.2).
 *
 *     +---+---------------------------+
 *     | H |   length in bytes (7+)    |   H = 1: the bytes are Huffman-coded
 *     +---+---------------------------+
 *     |   the bytes                   |
 *     +-------------------------------+
 *
 * @module
 */
import { readBytes, writeBytes } from "./byte_string.ts";
import { HpackError } from "./errors.ts";
import { decodeHuffman, maxDecodedBytes, type Span } from "./huffman.ts";
import { type Cursor, readInteger, writeInteger } from "./integer.ts";

const HUFFMAN = 0x80;
const LENGTH_MASK = 0x7f;

/** Holds what was Huffman-coded on its way to a string; a longer one gets its own. */
const scratch = new Uint8Array(4096);

/**
 * Reads the string at the cursor.
 *
 * @throws {HpackError} If the block ends inside it or its Huffman code is wrong.
 */
export function readString(cursor: Cursor): string {
  const span = readSpan(cursor);
  const { bytes, from, to, huffman } = span;
  if (!huffman) return readBytes(bytes, from, to);
  const into = scratchFor(to - from);
  return readBytes(into, 0, decodeHuffman(span, into));
}

/** Moves the cursor to the end of a string that nobody wants, but which must be right all the same. */
export function skipString(cursor: Cursor): void {
  const span = readSpan(cursor);
  if (span.huffman) decodeHuffman(span, scratchFor(span.to - span.from));
}

/** Writes a string uncompressed; the cursor must have room. */
export function writeString(cursor: Cursor, text: string): void {
  writeInteger(cursor, { pattern: 0, mask: LENGTH_MASK, value: text.length });
  writeBytes(cursor, text);
}

function readSpan(cursor: Cursor): Span & { readonly huffman: boolean } {
  const { bytes, pos: at } = cursor;
  const huffman = bytes[at]! >= HUFFMAN;
  const length = readInteger(cursor, LENGTH_MASK);
  const from = cursor.pos;
  const to = from + length;
  if (to > bytes.length) {
    const there = bytes.length - from;
    throw new HpackError(`a string of ${length} bytes has only ${there} in the block`, at);
  }
  cursor.pos = to;
  return { bytes, from, to, huffman };
}

function scratchFor(encodedBytes: number): Uint8Array {
  const bytes = maxDecodedBytes(encodedBytes);
  return bytes <= scratch.length ? scratch : new Uint8Array(bytes);
}
