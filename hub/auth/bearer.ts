/**
 * The credential in `Authorization: Bearer …` (RFC 6750 §2.1).
 *
 * @module
 */

/** The token, or `undefined` if the value is anything else, such as two of them. */
export function bearerToken(authorization: string): string | undefined {
  return /^bearer +([^\s,]+)$/i.exec(authorization)?.[1];
}
