/**
 * The certificates in a PEM text (RFC 7468).
 *
 * @module
 */

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Each with its first and last line, in file order; whatever else is in the text is passed over. */
export function certificateBlocks(pem: string): string[] {
  return pem.match(CERTIFICATE) ?? [];
}
