/**
 * The Huffman code of string literals (RFC 7541 §5.2 and Appendix B).
 *
 * The code is canonical: sorted by length and then by symbol, each code is the one before it plus
 * one, with zeros appended where the length grows. So the lengths say everything, and Appendix B
 * is the table below.
 *
 * @module
 */
import { HpackError } from "./errors.ts";

/** Bits in the code of each byte, 16 in a row; the last one is EOS. */
// deno-fmt-ignore
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
   6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
   5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
  13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
   7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
  15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
   6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const EOS = 256;

/** The shortest code has 5 bits: no string grows beyond 8/5 of its encoded length. */
const MAX_GROWTH = 8 / 5;

/*
 * The tree of codes goes down a byte at each step: 256 entries for a node, the root first.
 *
 *     0000 llll ssss ssss   symbol s, whose code ends after l (1 to 8) bits of this byte
 *     1nnn nnnn 0000 0000   the code goes on in the node whose entries start at n * 256
 *     1111 1111 1111 1111   the code of EOS ends here
 */
const GOES_ON = 0x8000;
const EOS_ENTRY = 0xffff;

/** Symbol → its code, right-aligned. */
const CODES = canonicalCodes();
const TREE = codeTree();

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(LENGTHS.length);
  const symbols = LENGTHS.map((length, symbol) => ({ length, symbol }));
  let next = 0;
  let bits = 0;
  for (const { length, symbol } of symbols.sort((a, b) => a.length - b.length)) {
    next <<= length - bits;
    bits = length;
    codes[symbol] = next++;
  }
  return codes;
}

function codeTree(): Uint16Array {
  const tree: number[] = new Array(256).fill(0);
  LENGTHS.forEach((length, symbol) => {
    const code = CODES[symbol]!;
    let node = 0;
    let rest = length;
    for (; rest > 8; rest -= 8) {
      const at = node + (code >>> (rest - 8) & 0xff);
      if (tree[at] === 0) {
        tree[at] = GOES_ON | tree.length;
        tree.push(...new Array(256).fill(0));
      }
      node = tree[at]! & ~GOES_ON;
    }
    // The bits of the byte that follow the code may be anything.
    const first = node + (code << (8 - rest) & 0xff);
    tree.fill(symbol === EOS ? EOS_ENTRY : rest << 8 | symbol, first, first + (1 << (8 - rest)));
  });
  return Uint16Array.from(tree);
}

/** Bytes that a Huffman-coded string of this length has at most. */
export function maxDecodedBytes(encodedBytes: number): number {
  return Math.floor(encodedBytes * MAX_GROWTH);
}

/** Where in a header block a Huffman-coded string is. */
export interface Span {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/**
 * Decodes a string.
 *
 * @param into Takes the result; must have room for {@linkcode maxDecodedBytes}.
 * @returns The length of the result.
 * @throws {HpackError} If the string contains EOS, or ends in anything but up to 7 one bits.
 */
export function decodeHuffman({ bytes, from, to }: Span, into: Uint8Array): number {
  let length = 0;
  let node = 0;
  // The low `ahead` bits of `window` are read but not yet decoded; what is above them is spent.
  let window = 0;
  let ahead = 0;
  for (let pos = from; pos < to; pos++) {
    window = window << 8 | bytes[pos]!;
    ahead += 8;
    do {
      const entry = TREE[node + (window >>> (ahead - 8) & 0xff)]!;
      if (entry < GOES_ON) {
        into[length++] = entry; // a byte keeps the symbol only
        ahead -= entry >>> 8;
        node = 0;
      } else if (entry === EOS_ENTRY) {
        throw new HpackError("a Huffman-coded string contains EOS", from);
      } else {
        node = entry & ~GOES_ON;
        ahead -= 8;
      }
    } while (ahead >= 8);
  }
  while (ahead > 0) {
    const entry = TREE[node + (window << (8 - ahead) & 0xff)]!;
    if (entry >= GOES_ON || entry >>> 8 > ahead) break;
    into[length++] = entry;
    ahead -= entry >>> 8;
    node = 0;
  }
  const ones = (1 << ahead) - 1;
  if (node !== 0 || (window & ones) !== ones) {
    throw new HpackError("a Huffman-coded string ends in wrong padding", from);
  }
  return length;
}

/** Encodes a byte string. Ours are sent uncompressed (see encoder.ts): this is the decoder's twin. */
export function encodeHuffman(text: string): Uint8Array {
  const encoded: number[] = [];
  let window = 0;
  let ahead = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    const length = LENGTHS[symbol]!;
    // Up to 7 + 30 bits: more than shifts can do, so it is arithmetic.
    window = window * 2 ** length + CODES[symbol]!;
    for (ahead += length; ahead >= 8;) {
      ahead -= 8;
      encoded.push(Math.floor(window / 2 ** ahead));
      window %= 2 ** ahead;
    }
  }
  if (ahead > 0) encoded.push(window << (8 - ahead) | 0xff >>> ahead);
  return Uint8Array.from(encoded);
}
