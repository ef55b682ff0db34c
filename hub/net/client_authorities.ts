/**
 * The authorities whose certificates clients may show: whether they still vouch for one that was
 * shown to others, before the file was changed.
 *
 *     leaf ─ signed by ─▶ intermediate ─ signed by ─▶ authority        (RFC 5280 §6.1, names and keys)
 *
 * What else makes a certificate good, such as its purpose, TLS has looked at in the handshake.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { certificateBlocks } from "../../shared/tls/pem.ts";

/** Certificates of a chain that are looked at: TLS stacks take no longer ones. */
export const MAX_CHAIN = 10;

/** One state of the file. */
export class ClientAuthorities {
  readonly #authorities: readonly X509Certificate[];

  /** @param pem What cannot be read of it vouches for nobody. */
  constructor(pem: string) {
    this.#authorities = certificateBlocks(pem).flatMap(read);
  }

  /**
   * Whether one of them has signed the first certificate of the chain, or one that has, and so on.
   *
   * @param chain DER, the client's own first; the others in any order.
   */
  vouchFor(chain: readonly Uint8Array[]): boolean {
    const [leaf, ...others] = chain.slice(0, MAX_CHAIN).flatMap(read);
    const seen = new Set<X509Certificate>();
    for (let link = leaf; link !== undefined && !seen.has(link);) {
      seen.add(link);
      const signed: X509Certificate = link;
      const vouches = (authority: X509Certificate) =>
        authority.raw.equals(signed.raw) || hasSigned(authority, signed);
      if (this.#authorities.some(vouches)) return true;
      link = others.find((other) => hasSigned(other, signed));
    }
    return false;
  }
}

function read(certificate: string | Uint8Array): X509Certificate[] {
  try {
    return [new X509Certificate(certificate)];
  } catch {
    return [];
  }
}

function hasSigned(issuer: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    // An algorithm that is not known here.
    return false;
  }
}
