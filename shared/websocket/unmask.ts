/**
 * WebSocket masking, RFC 6455 §5.3: byte i of the payload XOR byte (i mod 4) of the key.
 *
 * Every byte from a server to the hub passes here, so whole words are done at once.
 *
 * @module
 */

/** Below this, making a view of words costs more than it saves. */
const WORDWISE_BYTES = 48;

/** The key as bytes, and the same memory as one word: right on machines of either byte order. */
const rotated = new Uint8Array(4);
const rotatedWord = new Int32Array(rotated.buffer);

/**
 * Masks or unmasks `bytes[start, end)` in place.
 *
 * @param key The masking key (RFC 6455 §5.3), its first byte in the lowest bits.
 * @param phase How many bytes of the payload came before: where in the key to go on.
 */
export function unmask(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: number,
  phase: number,
): void {
  let at = start;
  if (end - start >= WORDWISE_BYTES) {
    const aligned = start + ((4 - ((bytes.byteOffset + start) & 3)) & 3);
    for (; at < aligned; at++) bytes[at]! ^= key >>> ((phase++ & 3) << 3);
    for (let i = 0; i < 4; i++) rotated[i] = key >>> ((phase + i & 3) << 3);
    const mask = rotatedWord[0]!;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >>> 2);
    const length = words.length;
    for (let i = 0; i < length; i++) words[i]! ^= mask;
    at += length << 2;
  }
  for (; at < end; at++) bytes[at]! ^= key >>> ((phase++ & 3) << 3);
}
