/**
 * Reads a certificate and its key from files, and says clearly what is wrong with them, so that a
 * bad file stops a program at start and not its first connection.
 *
 *     --tls-cert hub.crt   →  hub.crt and hub.key
 *     --tls-cert hub.pem   →  hub.pem and hub-key.pem, else hub.key; or both in hub.pem
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { keyFault } from "../files/modes.ts";
import type { CertificatePair } from "./generate.ts";
import { certificateBlocks } from "./pem.ts";

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
  /** When the first certificate of the file ends. It may have passed: the caller decides. */
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

/**
 * Loads a certificate (with its chain, if the file has one) and its private key.
 *
 * @throws {Error} If a file cannot be read, holds something else, or the two do not belong together.
 * The message names the file and what to do.
 */
export async function loadCertificate(
  certFile: string,
  options: LoadOptions = {},
): Promise<LoadedCertificate> {
  const cert = await readPem(certFile, "certificate");
  const leaf = parseCertificate(cert, certFile);
  const keyFile = options.keyFile ?? await findKeyFile(certFile, cert, options.keyFlag);
  const key = await readKey(keyFile);
  if (!leaf.checkPrivateKey(parseKey(key, keyFile))) {
    throw new Error(
      `Cannot use certificate "${certFile}": the private key in "${keyFile}" belongs to another one`,
    );
  }
  return { cert, key, certFile, keyFile, notAfter: new Date(leaf.validTo) };
}

async function findKeyFile(
  certFile: string,
  cert: string,
  keyFlag = "--tls-key-file",
): Promise<string> {
  const candidates = keyFilesFor(certFile);
  for (const path of candidates) {
    if (path === certFile ? cert.includes("PRIVATE KEY-----") : await exists(path)) return path;
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
 * The text of a private key's file, which nobody else may read.
 *
 * @throws {Error} If it cannot be read, or others can.
 */
async function readKey(path: string): Promise<string> {
  const text = await readPem(path, "private key");
  const fault = keyFault(await Deno.stat(path), path);
  if (fault !== undefined) throw new Error(`Cannot use private key "${path}": ${fault}`);
  return text;
}

async function readPem(path: string, what: string): Promise<string> {
  try {
    const { size, isFile, isDirectory } = await Deno.stat(path);
    if (isDirectory) throw new Error("it is a folder");
    // Size first: a device or a log file given by mistake must not fill the memory.
    if (isFile && size > MAX_PEM_BYTES) throw new Error(`it has more than ${MAX_PEM_BYTES} bytes`);
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new Error(`Cannot read ${what} "${path}": ${whyUnreadable(error as Error)}`, {
      cause: error,
    });
  }
}

function whyUnreadable(error: Error): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return error.message;
}

function parseCertificate(pem: string, path: string): X509Certificate {
  const [block] = certificateBlocks(pem);
  if (block === undefined) {
    const hint = pem.includes("PRIVATE KEY-----") ? ": it holds a private key only" : "";
    throw new Error(`Cannot find a PEM certificate in "${path}"${hint}`);
  }
  try {
    return new X509Certificate(block);
  } catch (error) {
    throw new Error(`Cannot read certificate "${path}": it is damaged`, { cause: error });
  }
}

function parseKey(pem: string, path: string) {
  const block = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[^]*?-----END \1PRIVATE KEY-----/.exec(pem);
  if (block === null) throw new Error(`Cannot find a PEM private key in "${path}"`);
  if (block[1] === "ENCRYPTED " || block[0].includes("Proc-Type: 4,ENCRYPTED")) {
    throw new Error(
      `Cannot use private key "${path}": it is encrypted. ` +
        `Decrypt it with: openssl pkey -in ${path} -out decrypted.key`,
    );
  }
  try {
    return createPrivateKey(block[0]);
  } catch (error) {
    throw new Error(`Cannot read private key "${path}": it is damaged`, { cause: error });
  }
}
