/**
 * A chain of certificates in a line, as it was shown or as a file has it:
 *
 *     hub.example (2026-01-01 to 2028-01-01) ← Example CA (2026-01-01 to 2036-01-01)
 *
 * @module
 */
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { DAY_MS } from "../tls/day.ts";

/** A certificate that ends sooner is worth a word. */
export const SOON_MS: number = 30 * DAY_MS;
/** A chain that is longer is not shown whole. */
const MAX_CHAIN = 10;

/** What the other end has shown, from its own to its authority's. */
export function shownChain(socket: TLSSocket): string {
  const chain: string[] = [];
  let one = socket.getPeerCertificate(true);
  for (; chain.length < MAX_CHAIN && one?.valid_to !== undefined; one = one.issuerCertificate) {
    chain.push(textOf({
      names: one.subjectaltname,
      subject: [one.subject?.CN ?? ""].flat().join(", "),
      from: one.valid_from,
      to: one.valid_to,
    }));
    if (one.issuerCertificate === one || one.issuerCertificate === undefined) break;
    if (one.issuerCertificate.fingerprint256 === one.fingerprint256) break;
  }
  return chain.join(" ← ");
}

/** What a file has, in its order. */
export function chainText(certificates: readonly X509Certificate[]): string {
  return certificates.slice(0, MAX_CHAIN).map((one) =>
    textOf({
      names: one.subjectAltName,
      subject: one.subject.split("\n").find((line) => line.startsWith("CN="))?.slice(3) ?? "",
      from: one.validFrom,
      to: one.validTo,
    })
  ).join(" ← ");
}

/** The DNS names and addresses of a certificate, out of OpenSSL's text. */
export function namesOf(subjectAltName: string | undefined): string[] {
  const text = subjectAltName?.replaceAll(/(?:DNS|IP Address):/g, "") ?? "";
  return text.split(", ").filter((name) => name !== "");
}

interface Shown {
  readonly names: string | undefined;
  readonly subject: string;
  readonly from: string;
  readonly to: string;
}

function textOf({ names, subject, from, to }: Shown): string {
  const day = (text: string) => new Date(text).toISOString().slice(0, 10);
  return `${namesOf(names).join(", ") || subject || "no name"} (${day(from)} to ${day(to)})`;
}
