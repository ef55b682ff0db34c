/**
 * Binary messages as a client sends them (RFC 6455 §5.3).
 *
 * `npm:ws` masks byte by byte, which took a server that only pumps bytes half of its time.
 *
 * @module
 */
import { HEADROOM, writeHeader } from "./frames.ts";
import { unmask } from "./unmask.ts";

const KEY_BYTES = 4;
/** In the second byte of a header. */
const MASKED = 0x80;

/** Random keys: one request for many. */
const keys = new Int32Array(1024);
let keysUsed = keys.length;

/** A message with the bytes of all these pieces, masked with a key of its own. */
export function maskedFrame(pieces: readonly Uint8Array[]): Uint8Array {
  const payload = HEADROOM + KEY_BYTES;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const frame = new Uint8Array(payload + length);
  let at = payload;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.length;
  }
  const key = nextKey();
  unmask(frame, payload, at, key, 0);
  for (let i = 0; i < KEY_BYTES; i++) frame[HEADROOM + i] = key >>> (i << 3);
  const start = writeHeader(frame, HEADROOM, length);
  frame[start + 1]! |= MASKED;
  return frame.subarray(start);
}

function nextKey(): number {
  if (keysUsed === keys.length) {
    crypto.getRandomValues(keys);
    keysUsed = 0;
  }
  return keys[keysUsed++]!;
}
