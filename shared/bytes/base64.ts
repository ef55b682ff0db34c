/**
 * Bytes as base64, without `node:buffer`: whoever wants to start fast does not load it.
 *
 * @module
 */

/** `String.fromCharCode` takes no more arguments than this in every runtime. */
const CHUNK = 0x8000;

/** Standard base64, padded. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(binary);
}
