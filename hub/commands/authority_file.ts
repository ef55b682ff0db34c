/**
 * Where the authority is by which peers trust the hub's certificate, for lines that are there to be
 * copied.
 *
 *     hub.crt, signed by itself             → hub.crt
 *     hub.crt and ca.crt that signed it     → ca.crt, in the same folder, as `ghub cert ca` makes it
 *     signed by one that this machine knows → none is needed
 *     signed by somebody else               → unknown: whoever set the hub up must know
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { dirname, join } from "node:path";
import { loadAuthorities } from "../../shared/tls/load.ts";
import { certificateBlocks } from "../../shared/tls/pem.ts";

/** Names that it usually has. */
const NAMES: readonly string[] = ["ca.crt", "ca.pem"];

/**
 * Where Debian, Red Hat and Alpine keep the authorities that a machine knows. Deno's own list is open
 * only to those who may see everything of the system (2.9.6), which the hub may not.
 */
const MACHINE: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
];

/** A file that peers need, `undefined` if they need none, or the name of an authority that must be found. */
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
    if (await holdsSigner(file, last)) return { file };
  }
  for (const file of MACHINE) if (await holdsSigner(file, last)) return undefined;
  return { unknown: last.issuer.replaceAll("\n", ", ") };
}

/** Whether an authority that signed the certificate is in the file; a file that is not there has none. */
async function holdsSigner(file: string, certificate: X509Certificate): Promise<boolean> {
  const text = await loadAuthorities(file, { flag: "--ca" }).catch(() => "");
  return certificateBlocks(text).some((block) =>
    isSignedBy(certificate, new X509Certificate(block))
  );
}

function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  try {
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  } catch {
    // A kind of key that is not known here.
    return false;
  }
}
