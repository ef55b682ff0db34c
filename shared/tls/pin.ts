/**
 * The pin of a certificate: the SHA-256 of its public key (SubjectPublicKeyInfo), in base64, as
 * RFC 7469 §2.4 defines it and curl and browsers write it. It stays the same when a certificate is
 * renewed with the same key.
 *
 *     openssl x509 -in hub.crt -pubkey -noout | openssl pkey -pubin -outform der |
 *       openssl dgst -sha256 -binary | base64
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, X509Certificate } from "node:crypto";

const HEX = /^[0-9a-f]{64}$/i;
const BASE64 = /^[A-Za-z0-9+/]{43}=$/;

/** @param certificate PEM, of which the first certificate counts, or DER. */
export function pinOf(certificate: string | Uint8Array): string {
  const { publicKey } = new X509Certificate(Buffer.from(certificate));
  const spki = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("base64");
}

/**
 * Reads a pin.
 *
 *     R0xk…5Q=              → itself
 *     sha256//R0xk…5Q=      → R0xk…5Q=        as curl writes it
 *     47:4c:64…  474c64…    → R0xk…5Q=        hexadecimal, with colons or without
 *
 * @throws {SyntaxError} If it is none.
 */
export function parsePin(text: string): string {
  const plain = text.trim().replace(/^sha256(?:\/\/?|:)/i, "");
  if (BASE64.test(plain)) return plain;
  const hex = plain.replaceAll(":", "");
  if (HEX.test(hex)) return Buffer.from(hex, "hex").toString("base64");
  throw new SyntaxError(
    `"${text}" is no pin: it must be the SHA-256 of a public key, 44 characters of base64 or 64 ` +
      "hexadecimal digits",
  );
}
