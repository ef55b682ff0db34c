/**
 * An authority of one's own: it signs the hub's certificate, and whoever trusts the authority trusts
 * each certificate that it signs later. So the hub's certificate can be renewed without touching the
 * machines that dial it.
 *
 *     generateAuthority("Example hub")            → ca.crt, ca.key      copied to the sites: ca.crt alone
 *     generateCertificate(hosts, { authority })   → hub.crt, hub.key
 *
 * @module
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { DAY_MS } from "./day.ts";
import {
  type CertificatePair,
  type CertificateSigner,
  CLOCK_SKEW_MS,
  KEY_ALGORITHM,
  MAX_COMMON_NAME,
  MAX_DAYS,
  serialNumber,
  toPair,
} from "./generate.ts";
import { certificateBlocks, keyBlock } from "./pem.ts";

/** Options of {@linkcode generateAuthority}. */
export interface AuthorityOptions {
  /**
   * How long the authority is valid, in whole days, 1 to {@linkcode MAX_DAYS}.
   *
   * @default {MAX_DAYS} To replace it, each machine that trusts it must be touched.
   */
  readonly days?: number;
  /** From when on it is valid. @default {an hour ago} */
  readonly notBefore?: Date;
}

/** No certificate below the authority may sign others. */
const PATH_LENGTH = 0;

/**
 * Makes an authority: ECDSA P-256, allowed to sign certificates, but not other authorities.
 *
 * @param name What people see as its name, 1 to 64 characters.
 * @throws {TypeError} If the name is empty or too long.
 * @throws {RangeError} If `days` is out of range.
 */
export async function generateAuthority(
  name: string,
  options: AuthorityOptions = {},
): Promise<CertificatePair> {
  const { days = MAX_DAYS, notBefore = new Date(Date.now() - CLOCK_SKEW_MS) } = options;
  if (name.trim() === "" || name.length > MAX_COMMON_NAME) {
    throw new TypeError(
      `Cannot make an authority "${name}": expected a name of 1 to ${MAX_COMMON_NAME} characters`,
    );
  }
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS) {
    throw new RangeError(`Cannot make an authority for ${days} days: expected 1 to ${MAX_DAYS}`);
  }
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const x509 = await import("./x509.ts");
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    notBefore,
    notAfter: new Date(notBefore.getTime() + days * DAY_MS),
    signingAlgorithm: KEY_ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, PATH_LENGTH, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return await toPair(certificate, keys.privateKey);
}

/**
 * Makes an authority's files ready to sign.
 *
 * @throws {TypeError} If the certificate may not sign others, or its key is of a kind that cannot
 * sign here.
 */
export async function signerOf({ cert, key }: CertificatePair): Promise<CertificateSigner> {
  const x509 = await import("./x509.ts");
  const blocks = certificateBlocks(cert);
  const certificate = new x509.X509Certificate(blocks[0]!);
  if (certificate.getExtension(x509.BasicConstraintsExtension)?.ca !== true) {
    throw new TypeError(
      "it is the certificate of one machine, and may not sign others: make an authority with ghub cert ca",
    );
  }
  const privateKey = createPrivateKey(keyBlock(key)!);
  const algorithm = signingAlgorithmOf(privateKey);
  const pkcs8 = new Uint8Array(privateKey.export({ type: "pkcs8", format: "der" }));
  return {
    certificate,
    signingKey: await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]),
    signingAlgorithm: algorithm,
    chain: blocks.filter((block) => !isRoot(block)).map((block) => `${block}\n`).join(""),
  };
}

function isRoot(block: string): boolean {
  const certificate = new X509Certificate(block);
  return certificate.issuer === certificate.subject;
}

function signingAlgorithmOf(key: KeyObject) {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve === "prime256v1") return KEY_ALGORITHM;
  if (curve === "secp384r1") return { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
  if (key.asymmetricKeyType === "rsa") return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  throw new TypeError(
    `its key (${
      curve ?? key.asymmetricKeyType
    }) cannot sign here: expected ECDSA P-256 or P-384, or RSA`,
  );
}
