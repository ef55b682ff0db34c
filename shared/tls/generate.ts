/**
 * Makes a certificate for a list of host names and addresses: self-signed, for trying things out,
 * for tests, and for a hub whose certificate is pinned; or signed by an authority of one's own.
 *
 *     generateCertificate(["localhost", "127.0.0.1"]) → { cert: "-----BEGIN CERT…", key: "…" }
 *
 * ECDSA P-256, valid for serving and for authenticating a client.
 *
 * @module
 */
import { isIP } from "node:net";
import { DAY_MS } from "./day.ts";
import type * as x509 from "./x509.ts";

/** A certificate and its private key, both as PEM text. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate takes over from the authority that signs it. */
export interface CertificateSigner {
  readonly certificate: x509.X509Certificate;
  readonly signingKey: CryptoKey;
  readonly signingAlgorithm: Algorithm | EcdsaParams;
  /** PEM to put after a signed certificate: the authority's own, unless it is a root. */
  readonly chain: string;
}

/** Options of {@linkcode generateCertificate}. */
export interface GenerateOptions {
  /**
   * How long the certificate is valid, in whole days, 1 to {@linkcode MAX_DAYS}.
   *
   * @default {825} The longest time that Apple's systems accept.
   */
  days?: number;
  /**
   * From when on it is valid.
   *
   * @default {an hour ago} Then it is valid on a machine too whose clock is a little slow.
   */
  notBefore?: Date;
  /**
   * The subject's common name. Clients look at the hosts only; this is for people.
   *
   * @default {hosts[0]}
   */
  commonName?: string;
  /**
   * Who signs it. A certificate does not outlive the authority that signed it: it ends with it.
   *
   * @default {its own key}
   */
  authority?: CertificateSigner | undefined;
}

/** How many days a certificate is valid unless told otherwise. */
export const DEFAULT_DAYS = 825;
/** The longest validity that may be asked for: ten years. */
export const MAX_DAYS = 3650;
/** The most hosts that one certificate may name. */
export const MAX_HOSTS = 100;

/** RFC 5280, ub-common-name. */
export const MAX_COMMON_NAME = 64;
/** A certificate made just now must be valid on a machine whose clock is a little slow. */
export const CLOCK_SKEW_MS = 60 * 60 * 1000;
/** Positive and of 20 bytes at most (RFC 5280 §4.1.2.2); 16 random bytes never meet twice. */
const SERIAL_BYTES = 16;

/** A host name as certificates have it: labels of letters, digits and hyphens, perhaps `*.` first. */
const DNS_NAME =
  /^(?=.{1,253}$)(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** What keys are made here. */
export const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** Extended key usages (RFC 5280 §4.2.1.12): to serve TLS, and to be a TLS client. */
const USAGES = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];

/**
 * Makes a key pair and a certificate for it.
 *
 * @param hosts Host names (also `*.example`) and IP addresses that the certificate is good for.
 * @throws {TypeError} If a host is neither a host name nor an IP address, or there is none.
 * @throws {RangeError} If `days` is out of range or there are more than {@linkcode MAX_HOSTS} hosts.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { generateCertificate } from "./generate.ts";
 *
 * const { cert } = await generateCertificate(["localhost", "::1"], { days: 30 });
 * assert.match(cert, /^-----BEGIN CERTIFICATE-----/);
 * ```
 */
export async function generateCertificate(
  hosts: readonly string[],
  options: GenerateOptions = {},
): Promise<CertificatePair> {
  const {
    days = DEFAULT_DAYS,
    notBefore = new Date(Date.now() - CLOCK_SKEW_MS),
    commonName = hosts[0] ?? "",
    authority,
  } = options;
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS) {
    throw new RangeError(`Cannot make a certificate for ${days} days: expected 1 to ${MAX_DAYS}`);
  }
  const names = subjectAltNames(hosts);
  const x509 = await import("./x509.ts");
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const notAfter = new Date(notBefore.getTime() + days * DAY_MS);
  const subject = [{ CN: [commonName.slice(0, MAX_COMMON_NAME)] }];
  const validity = { serialNumber: serialNumber(), notBefore, notAfter };
  const extensions = [
    // Not an authority: whoever trusts this certificate trusts one machine and nothing that it
    // might sign. No key usage extension, for OpenSSL wants keyCertSign in a self-signed one.
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.ExtendedKeyUsageExtension(USAGES),
    new x509.SubjectAlternativeNameExtension(names),
  ];
  if (authority === undefined) {
    const signed = { name: subject, signingAlgorithm: KEY_ALGORITHM, keys, extensions };
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      ...validity,
      ...signed,
    });
    return await toPair(certificate, keys.privateKey);
  }
  const { certificate: issuer, signingKey, signingAlgorithm, chain } = authority;
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity,
    notAfter: new Date(Math.min(notAfter.getTime(), issuer.notAfter.getTime())),
    subject,
    // The name as the authority's own bytes have it: verifiers compare bytes.
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm,
    extensions: [...extensions, ...await identifiers(keys.publicKey, issuer)],
  });
  const { cert, key } = await toPair(certificate, keys.privateKey);
  return { cert: cert + chain, key };
}

/** Which keys belong to it and to its authority, and what its own may be used for: strict verifiers ask. */
async function identifiers(
  publicKey: CryptoKey,
  issuer: x509.X509Certificate,
): Promise<x509.Extension[]> {
  const x509 = await import("./x509.ts");
  const known = issuer.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  return [
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
    known === undefined
      ? await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey)
      : new x509.AuthorityKeyIdentifierExtension(known),
  ];
}

/** Both as PEM text. */
export async function toPair(
  certificate: x509.X509Certificate,
  privateKey: CryptoKey,
): Promise<CertificatePair> {
  const x509 = await import("./x509.ts");
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", privateKey);
  return {
    cert: `${certificate.toString("pem").trim()}\n`,
    key: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY").trim()}\n`,
  };
}

function subjectAltNames(hosts: readonly string[]): { type: "dns" | "ip"; value: string }[] {
  const unique = [...new Set(hosts)];
  if (unique.length === 0) throw new TypeError("Cannot make a certificate: no host given");
  if (unique.length > MAX_HOSTS) {
    throw new RangeError(
      `Cannot make a certificate for ${unique.length} hosts: at most ${MAX_HOSTS} are allowed`,
    );
  }
  return unique.map((host) => {
    if (isIP(host) !== 0) return { type: "ip", value: host };
    if (DNS_NAME.test(host)) return { type: "dns", value: host };
    throw new TypeError(
      `Cannot make a certificate for "${host}": expected a host name or an IP address`,
    );
  });
}

/** A random one, in hexadecimal. */
export function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  // First bit 0 keeps the number positive; second bit 1 keeps it from starting with a zero byte.
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toHex();
}
