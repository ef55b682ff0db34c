/**
 * The percent-encoding of `grpc-message`.
 *
 *     Percent-Byte-Unencoded → 1*( %x20-%x24 / %x26-%x7E )
 *     Percent-Byte-Encoded   → "%" 2HEXDIGIT
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
 * @module
 */

/** Encodes text for `grpc-message`; lone surrogates become U+FFFD. */
export function percentEncode(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]+/gu, encodeURIComponent);
}

/** Decodes a `grpc-message`. What is not valid stays unchanged: a status must never be lost to its text. */
export function percentDecode(text: string): string {
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}
