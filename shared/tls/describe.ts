/**
 * What a certificate says, in plain values: for `ghub cert read`, and for messages that tell
 * why a certificate does not fit.
 *
 * @module
 */
import { certificateBlocks, whatItIs } from "./pem.ts";
import { pinOf } from "./pin.ts";

/** One certificate of a PEM file. */
export interface CertificateInfo {
  /** As in RFC 4514: `CN=localhost, O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** Host names and addresses that the certificate is good for, `localhost` or `127.0.0.1`. */
  readonly hosts: readonly string[];
  /** Other subject alternative names, with their kind: `email:a@b`, `url:spiffe://…`. */
  readonly otherNames: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** For people: `ECDSA P-256`, `RSASSA-PKCS1-v1_5 2048`. */
  readonly keyAlgorithm: string;
  /** May it sign other certificates? */
  readonly authority: boolean;
  readonly selfSigned: boolean;
  /** SHA-256 of the whole certificate, `AB:CD:…`, as browsers and openssl show it. */
  readonly fingerprint: string;
  /** SHA-256 of its public key alone, in base64: for `gserver --pin-sha256`. */
  readonly pin: string;
}

/** The most certificates that a PEM file may hold: system bundles have about 150. */
export const MAX_CERTIFICATES = 1000;

/**
 * Reads all certificates of a PEM text, in file order. Private keys in it are passed over.
 *
 * @throws {SyntaxError} If there is no certificate in it, one cannot be read, or there are more than
 * {@linkcode MAX_CERTIFICATES}.
 */
export async function describeCertificates(pem: string): Promise<CertificateInfo[]> {
  const blocks = certificateBlocks(pem);
  if (blocks.length === 0) throw new SyntaxError(`there is no certificate in it: ${whatItIs(pem)}`);
  if (blocks.length > MAX_CERTIFICATES) {
    throw new SyntaxError(
      `Cannot read ${blocks.length} certificates: at most ${MAX_CERTIFICATES} are allowed`,
    );
  }
  const infos: CertificateInfo[] = [];
  for (const [index, block] of blocks.entries()) {
    infos.push(await describeOne(block, blocks.length > 1 ? ` ${index + 1}` : ""));
  }
  return infos;
}

async function describeOne(block: string, which: string): Promise<CertificateInfo> {
  const x509 = await import("./x509.ts");
  try {
    const certificate = new x509.X509Certificate(block);
    const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ??
      [];
    const isHost = ({ type }: { type: string }) => type === "dns" || type === "ip";
    return {
      subject: certificate.subject,
      issuer: certificate.issuer,
      serial: certificate.serialNumber,
      hosts: names.filter(isHost).map(({ value }) => value),
      otherNames: names.filter((name) => !isHost(name)).map(({ type, value }) =>
        `${type}:${value}`
      ),
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      keyAlgorithm: keyAlgorithm(certificate.publicKey.algorithm),
      authority: certificate.getExtension(x509.BasicConstraintsExtension)?.ca ?? false,
      selfSigned: await certificate.isSelfSigned(),
      pin: pinOf(new Uint8Array(certificate.rawData)),
      fingerprint: colons(new Uint8Array(await certificate.getThumbprint("SHA-256"))),
    };
  } catch (error) {
    throw new SyntaxError(`Cannot read certificate${which}: it is damaged`, { cause: error });
  }
}

function keyAlgorithm(
  algorithm: Algorithm & { namedCurve?: string; modulusLength?: number },
): string {
  return [algorithm.name, algorithm.namedCurve ?? algorithm.modulusLength]
    .filter((part) => part !== undefined).join(" ");
}

function colons(bytes: Uint8Array): string {
  return bytes.toHex().toUpperCase().match(/../g)!.join(":");
}
