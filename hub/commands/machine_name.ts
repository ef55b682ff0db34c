/**
 * The name by which other machines dial this one, for lines to paste: with a certificate that has
 * other names they would fail.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

/**
 * The machine's own name, unless the certificate has only others.
 *
 * @param hostname What the machine calls itself.
 * @param certificate PEM, of which the first certificate counts.
 */
export function machineName(hostname: string, certificate: string | undefined): string {
  if (certificate === undefined) return hostname;
  const { subjectAltName = "" } = new X509Certificate(certificate);
  // Not checkHost(): Deno's does not know patterns.
  const peer = { subject: {}, subjectaltname: subjectAltName } as PeerCertificate;
  if (checkServerIdentity(hostname, peer) === undefined) return hostname;
  const names = subjectAltName.split(", ")
    .filter((name) => name.startsWith("DNS:")).map((name) => name.slice("DNS:".length));
  // A pattern is no name, and nobody elsewhere reaches this machine as localhost.
  return names.find((name) => name !== "localhost" && !name.startsWith("*")) ?? hostname;
}
