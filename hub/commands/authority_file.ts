/**
 * Where the authority is by which peers trust the hub's certificate, for lines that are there to be
 * copied.
 *
 *     hub.crt, signed by itself            → hub.crt
 *     hub.crt and ca.crt that signed it    → ca.crt, in the same folder, as `ghub cert ca` makes it
 *     signed by one that all machines know → none is needed
 *     signed by somebody else              → unknown: whoever set the hub up must know
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { dirname, join } from "node:path";
import { getCACertificates } from "node:tls";
import { loadAuthorities } from "../../shared/tls/load.ts";
import { certificateBlocks } from "../../shared/tls/pem.ts";

/** Names that it usually has. */
const NAMES: readonly string[] = ["ca.crt", "ca.pem"];

/** A file that peers need, `undefined` if they need none, or the name of who has to be found. */
export type AuthorityFile = { readonly file: string } | { readonly unknown: string } | undefined;

/**
 * @param cert The hub's certificate and its chain, as PEM.
 * @param certFile Where it was read.
 */
export async function authorityFile(cert: string, certFile: string): Promise<AuthorityFile> {
  const chain = certificateBlocks(cert).map((block) => new X509Certificate(block));
  const last = chain.at(-1);
  if (last === undefined) return undefined;
  if (isSignedBy(last, last)) return { file: certFile };
  for (const name of NAMES) {
    const file = join(dirname(certFile), name);
    const text = await loadAuthorities(file, { flag: "--ca" }).catch(() => "");
    const found = certificateBlocks(text).map((block) => new X509Certificate(block));
    if (found.some((authority) => isSignedBy(last, authority))) return { file };
  }
  const known = getCACertificates("default").some((pem) =>
    isSignedBy(last, new X509Certificate(pem))
  );
  return known ? undefined : { unknown: last.issuer.replaceAll("\n", ", ") };
}

function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  try {
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  } catch {
    // A kind of key that is not known here.
    return false;
  }
}
