/**
 * The certificates and the private key in a file, in whatever form it has them: PEM (RFC 7468) with
 * other text around it, with a byte order mark, with line ends of Windows, or DER.
 *
 *     pemText(bytes)          → text, DER turned into PEM
 *     certificateBlocks(text) → each certificate, written as RFC 7468 §3 has it
 *     keyBlock(text)          → the first private key
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";

const CERTIFICATE =
  /-----BEGIN (?:X509 )?CERTIFICATE-----([^-]*)-----END (?:X509 )?CERTIFICATE-----/g;
const KEY_BEGIN = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----/;
/** Characters of base64 in a line (RFC 7468 §2). */
const LINE = /.{1,64}/g;

/** A DER SEQUENCE of 128 bytes or more: no certificate and no key of TLS is shorter, no text begins so. */
const DER_SEQUENCE = 0x30;
const DER_LONG = 0x80;

/**
 * A file's bytes as text. A certificate or a key in DER becomes PEM.
 *
 * @throws {SyntaxError} If the bytes are binary, but no certificate and no key.
 */
export function pemText(bytes: Uint8Array): string {
  const [first = 0, second = 0] = bytes;
  if (first === DER_SEQUENCE && second >= DER_LONG) return fromDer(Buffer.from(bytes));
  // Windows' editors save "Unicode" as UTF-16.
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  return new TextDecoder().decode(bytes);
}

function fromDer(der: Buffer): string {
  const readers = [
    () => certificatePem(new X509Certificate(der).raw.toString("base64")),
    ...(["pkcs8", "pkcs1", "sec1"] as const).map((type) => () =>
      String(
        createPrivateKey({ key: der, format: "der", type }).export({
          type: "pkcs8",
          format: "pem",
        }),
      )
    ),
  ];
  for (const read of readers) {
    try {
      return read();
    } catch {
      // It is something else, which the next one may know.
    }
  }
  throw new SyntaxError(
    "it is binary, and neither a certificate nor a private key. If it is PKCS #12 (.p12, .pfx), " +
      "take both out of it with: openssl pkcs12 -nodes -in FILE -out FILE.pem",
  );
}

/** Each as PEM, in file order; whatever else is in the text is passed over. */
export function certificateBlocks(pem: string): string[] {
  return [...pem.matchAll(CERTIFICATE)].map(([, base64 = ""]) => certificatePem(base64));
}

function certificatePem(base64: string): string {
  const lines = base64.replace(/\s+/g, "").match(LINE) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----"].join("\n");
}

/** The first private key, with its first and last line, encrypted or not. */
export function keyBlock(pem: string): string | undefined {
  const begin = KEY_BEGIN.exec(pem);
  if (begin === null) return undefined;
  const last = `-----END ${begin[1]}PRIVATE KEY-----`;
  const end = pem.indexOf(last, begin.index);
  if (end < 0) return undefined;
  const lines = pem.slice(begin.index, end + last.length).split(/\r\n?|\n/);
  return lines.map((line) => line.trim()).join("\n");
}

/** What a text without a certificate is instead, and what to do: files get mixed up. */
export function whatItIs(pem: string): string {
  if (pem.trim() === "") return "the file is empty";
  if (pem.includes("PRIVATE KEY-----")) {
    return "this is a private key; give the certificate that belongs to it, such as hub.crt";
  }
  if (pem.includes("CERTIFICATE REQUEST-----")) {
    return "this is a request for a certificate, not yet signed";
  }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) {
    return "the certificate's end is missing: copy the file again";
  }
  if (pem.includes("-----BEGIN TRUSTED CERTIFICATE-----")) {
    return "this is OpenSSL's own form; convert it with: openssl x509 -in FILE -out FILE.crt";
  }
  if (pem.includes("-----BEGIN PKCS7-----")) {
    return "this is PKCS #7; convert it with: openssl pkcs7 -print_certs -in FILE -out FILE.crt";
  }
  // deno-lint-ignore no-control-regex -- they tell bytes from text
  const what = /[\x00-\x08]/.test(pem)
    ? "these are bytes of some other kind"
    : "this is other text";
  return `${what}; give a certificate in PEM ("-----BEGIN CERTIFICATE-----") or DER, such as hub.crt`;
}
