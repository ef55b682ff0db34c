/**
 * What is wrong with a certificate that TLS did not accept, in words for an operator. The TLS of Deno
 * says the same of each fault, whether the certificate is a stranger's or has expired.
 *
 * @module
 */
import type { ClientAuthorities } from "./client_authorities.ts";

/** Which end of TLS shows the certificate, and the purpose that it needs for that (RFC 5280 §4.2.1.12). */
const PURPOSES = {
  server: { id: "1.3.6.1.5.5.7.3.1", name: "serverAuth" },
  client: { id: "1.3.6.1.5.5.7.3.2", name: "clientAuth" },
} as const;

export interface CertificateFaultOptions {
  readonly authorities: ClientAuthorities;
  /** The ends at which it is shown. */
  readonly as: readonly (keyof typeof PURPOSES)[];
  /** @default the time of this machine */
  readonly nowMs?: number;
}

/**
 * The fault as the rest of a sentence that begins with "the certificate"; `undefined` if there is none
 * that is known here.
 *
 * @param chain DER, the certificate itself first.
 */
export async function certificateFault(
  chain: readonly Uint8Array[],
  { authorities, as, nowMs = Date.now() }: CertificateFaultOptions,
): Promise<string | undefined> {
  if (!authorities.vouchFor(chain)) return "is of no authority that is trusted here";
  // Loaded by those only who have to do with one.
  const { ExtendedKeyUsageExtension, X509Certificate } = await import("../../shared/tls/x509.ts");
  const certificates = chain.map((der) => new X509Certificate(new Uint8Array(der)));
  for (const [i, { notBefore, notAfter }] of certificates.entries()) {
    const which = i === 0 ? "" : "is signed by one that ";
    if (notAfter.getTime() < nowMs) return `${which}expired at ${text(notAfter)}${clock(nowMs)}`;
    if (notBefore.getTime() > nowMs) {
      return `${which}is not valid before ${text(notBefore)}${clock(nowMs)}`;
    }
  }
  const usages: readonly string[] | undefined = certificates[0]!
    .getExtension(ExtendedKeyUsageExtension)?.usages.map(String);
  const missing = as.find((end) => usages?.includes(PURPOSES[end].id) === false);
  if (missing === undefined) return undefined;
  return `is not for a TLS ${missing}: its extended key usage lacks ${PURPOSES[missing].name}`;
}

/**
 * A clock that is wrong is as likely as a certificate that is. Without seconds: the fault is logged again
 * whenever its text has changed.
 */
const clock = (nowMs: number): string =>
  ` (clock of the hub that checks it: ${new Date(nowMs).toISOString().slice(0, 16)}Z)`;

const text = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;
