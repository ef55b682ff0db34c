/**
 * What the first bytes on the call port are: docs/protocol.md §9.
 *
 *     PRI * HTTP/2.0  http2      {         json       0x16 0x03   tls
 *     CONNECT␠        connect    GET␠ …    http1      else        other
 *
 * @module
 */

export type Sniffed = "http2" | "json" | "connect" | "tls" | "http1" | "other";

/** First bytes → what they are. None is the beginning of another, so the order is free. */
const BEGINNINGS = ([
  ["PRI * HTTP/2.0", "http2"],
  ["{", "json"],
  ["CONNECT ", "connect"],
  ["\x16\x03", "tls"],
  ["GET ", "http1"],
  ["HEAD ", "http1"],
  ["POST ", "http1"],
  ["PUT ", "http1"],
  ["DELETE ", "http1"],
  ["OPTIONS ", "http1"],
  ["PATCH ", "http1"],
  ["TRACE ", "http1"],
] satisfies [string, Sniffed][]).map(([text, is]) => [new TextEncoder().encode(text), is] as const);

/** Never asks for more when it has seen this many bytes. */
export const MAX_SNIFF_BYTES = 14;

/**
 * Tells what a connection begins with.
 *
 * @param bytes All that came in so far.
 * @returns `more` if that is not enough to tell.
 */
export function sniff(bytes: Uint8Array): Sniffed | "more" {
  let open = false;
  for (const [beginning, is] of BEGINNINGS) {
    const length = Math.min(bytes.length, beginning.length);
    if (!beginning.subarray(0, length).every((byte, i) => byte === bytes[i])) continue;
    if (length === beginning.length) return is;
    open = true;
  }
  return open ? "more" : "other";
}
