/**
 * Reads certificates, keys and authorities from files, for all three programs. What can be used is
 * used, in whatever order and form a file has it. All else stops a program at its start and not at
 * its first connection: the error names the file and what to do.
 *
 *     --tls-cert hub.crt   →  hub.crt and hub.key
 *     --tls-cert hub.pem   →  hub.pem and hub-key.pem, else hub.key; or both in hub.pem
 *     --client-ca ca.crt   →  all certificates of ca.crt
 *
 * @module
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { turns } from "../async/turns.ts";
import { keyFault, type Owned } from "../files/modes.ts";
import type { CertificatePair } from "./generate.ts";
import { keyKindFault } from "./key_kind.ts";
import { certificateBlocks, keyBlock, pemText, whatItIs } from "./pem.ts";
import { whyUnusable } from "../files/why_unusable.ts";

/** Options of {@linkcode loadCertificate}. */
export interface LoadOptions {
  /**
   * The private key's file.
   *
   * @default {The first of keyFilesFor(certFile) that holds a key}
   */
  keyFile?: string | undefined;
  /** The flag that names a key in another place, for errors. @default "--tls-key-file" */
  keyFlag?: string;
}

/** A certificate and key that belong together, and where they came from. */
export interface LoadedCertificate extends CertificatePair {
  readonly certFile: string;
  readonly keyFile: string;
  /** When the certificate itself ends, not its chain. It may have passed: the caller decides. */
  readonly notAfter: Date;
}

/** Files larger than this are not read: a chain has some KiB. */
export const MAX_PEM_BYTES = 1024 * 1024;

/**
 * The files in which the key of a certificate file is looked for, in order; the certificate's own
 * file comes last, for some tools write both into one.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { keyFilesFor } from "./load.ts";
 *
 * assert.deepEqual(keyFilesFor("test.crt"), ["test.key", "test.crt"]);
 * assert.deepEqual(keyFilesFor("hub.pem"), ["hub-key.pem", "hub.key", "hub.pem"]);
 * ```
 */
export function keyFilesFor(certFile: string): string[] {
  const pem = /^(.*)\.pem$/.exec(certFile);
  if (pem !== null) return [`${pem[1]}-key.pem`, `${pem[1]}.key`, certFile];
  return [certFile.replace(/(\.(crt|cert|cer))?$/, ".key"), certFile];
}

/** Options of {@linkcode loadAuthorities}. */
export interface AuthoritiesOptions {
  /** The flag that named the file, for errors. */
  flag: string;
  /** Why the file may not be relied on, by its mode and owner. */
  faultOf?: (info: Owned, path: string) => string | undefined;
}

/**
 * Loads a certificate (with its chain, if the file has one) and its private key. The chain is put
 * into the order that TLS sends, whatever order the file has.
 *
 * @throws {Error} If a file cannot be read, holds something else, or the two do not belong together.
 * The message names the file and what to do.
 */
export async function loadCertificate(
  certFile: string,
  options: LoadOptions = {},
): Promise<LoadedCertificate> {
  const { keyFlag = "--tls-key-file" } = options;
  const text = await readPem(certFile, { what: "certificate" });
  const certificates = await parseCertificates(text, { what: "certificate", path: certFile });
  const keyFile = options.keyFile ?? await findKeyFile(certFile, text, keyFlag);
  const keyText = await readPem(keyFile, { what: "private key", faultOf: keyFault });
  const { key, keyObject } = parseKey(keyText, keyFile);
  const fault = keyKindFault(keyObject);
  if (fault !== undefined) throw new Error(`Cannot use certificate "${certFile}": ${fault}`);
  const leaf = certificates.find((one) => belongTogether(one, keyObject));
  if (leaf === undefined) {
    throw new Error(
      `Cannot use certificate "${certFile}": the private key in "${keyFile}" belongs to another ` +
        `one. Name its own with ${keyFlag}`,
    );
  }
  const chain = ordered(leaf, certificates);
  const cert = chain.map(({ raw }) => `${pemText(raw)}\n`).join("");
  return { cert, key, certFile, keyFile, notAfter: new Date(leaf.validTo) };
}

/**
 * Loads the certificates of authorities as PEM text.
 *
 * @throws {Error} If the file cannot be read, a certificate in it is damaged, or none can vouch for
 * anybody. The message names the flag, the file and what to do.
 */
export async function loadAuthorities(
  path: string,
  { flag, faultOf }: AuthoritiesOptions,
): Promise<string> {
  const text = await readPem(path, { what: flag, faultOf });
  const certificates = await parseCertificates(text, { what: flag, path });
  const faults: (string | undefined)[] = [];
  for (const one of certificates) {
    if (turns.isOver()) await turns.next();
    faults.push(keyKindFault(publicKeyOf(one)));
  }
  // Among many, a certificate that cannot vouch for anybody does no harm.
  if (faults.every((fault) => fault !== undefined)) {
    throw new Error(`Cannot use ${flag} "${path}": ${faults[0]}`);
  }
  return certificateBlocks(text).map((pem) => `${pem}\n`).join("");
}

/** The certificate, then the one that signed it, and so on; then whatever else the file has. */
function ordered(leaf: X509Certificate, all: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  const rest = new Set(all.filter((one) => one !== leaf));
  for (let last = leaf;;) {
    const issuer = [...rest].find((one) => last.checkIssued(one));
    if (issuer === undefined) return [...chain, ...rest];
    rest.delete(issuer);
    chain.push(last = issuer);
  }
}

function belongTogether(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    // Its key is of a kind that is not known here.
    return false;
  }
}

function publicKeyOf(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey;
  } catch {
    return undefined;
  }
}

async function findKeyFile(certFile: string, text: string, keyFlag: string): Promise<string> {
  const candidates = keyFilesFor(certFile);
  for (const path of candidates) {
    if (path === certFile ? keyBlock(text) !== undefined : await exists(path)) return path;
  }
  const places = candidates.slice(0, -1).map((path) => `"${path}"`).join(", ");
  throw new Error(
    `Cannot find the private key of certificate "${certFile}": looked for ${places}. ` +
      `Name it with ${keyFlag}`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new Error(`Cannot read private key "${path}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * A file's text, as {@linkcode pemText} reads it.
 *
 * @throws {Error} If it cannot be read, or may not be relied on.
 */
export async function readPem(
  path: string,
  { what, faultOf }: { what: string; faultOf?: AuthoritiesOptions["faultOf"] },
): Promise<string> {
  let fault: string | undefined;
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) throw new Error("it is a folder");
    fault = faultOf?.(info, path);
    // Size first: a device or a log file given by mistake must not fill the memory.
    if (fault === undefined) {
      if (info.isFile && info.size > MAX_PEM_BYTES) {
        throw new Error(`it has more than ${MAX_PEM_BYTES} bytes`);
      }
      return pemText(await Deno.readFile(path));
    }
  } catch (error) {
    throw new Error(`Cannot read ${what} "${path}": ${whyUnusable(error)}`, {
      cause: error,
    });
  }
  throw new Error(`Cannot use ${what} "${path}": ${fault}`);
}

/** A bundle has hundreds of them, and services look at theirs every few seconds: in turns. */
async function parseCertificates(
  text: string,
  { what, path }: { what: string; path: string },
): Promise<X509Certificate[]> {
  const blocks = certificateBlocks(text);
  if (blocks.length === 0) {
    throw new Error(
      `Cannot use ${what} "${path}": there is no certificate in it: ${whatItIs(text)}`,
    );
  }
  const certificates: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    if (turns.isOver()) await turns.next();
    try {
      certificates.push(new X509Certificate(block));
    } catch (cause) {
      const which = blocks.length === 1 ? "it" : `certificate ${index + 1} in it`;
      throw new Error(`Cannot read ${what} "${path}": ${which} is damaged; copy the file again`, {
        cause,
      });
    }
  }
  return certificates;
}

function parseKey(text: string, path: string): { key: string; keyObject: KeyObject } {
  const key = keyBlock(text);
  if (key === undefined) {
    const instead = text.trim() === "" ? "the file is empty" : "there is none in PEM or DER in it";
    throw new Error(`Cannot use private key "${path}": ${instead}`);
  }
  if (/^-----BEGIN ENCRYPTED /.test(key) || key.includes("Proc-Type: 4,ENCRYPTED")) {
    throw new Error(
      `Cannot use private key "${path}": it is encrypted. ` +
        `Decrypt it with: openssl pkey -in ${path} -out decrypted.key`,
    );
  }
  try {
    return { key: `${key}\n`, keyObject: createPrivateKey(key) };
  } catch (error) {
    throw new Error(`Cannot read private key "${path}": it is damaged; copy the file again`, {
      cause: error,
    });
  }
}
