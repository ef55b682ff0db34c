/**
 * The certificates and the private key in a PEM text (RFC 7468).
 *
 * @module
 */

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

const KEY = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[^]*?-----END \1PRIVATE KEY-----/;

/** Each with its first and last line, in file order; whatever else is in the text is passed over. */
export function certificateBlocks(pem: string): string[] {
  return pem.match(CERTIFICATE) ?? [];
}

/** The first private key, with its first and last line, encrypted or not. */
export function keyBlock(pem: string): string | undefined {
  return KEY.exec(pem)?.[0];
}
