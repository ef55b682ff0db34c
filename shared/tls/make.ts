/**
 * Makes the files of a certificate or of an authority: `ghub cert make` and `ghub cert ca`.
 *
 *     makeCertificate({ out: "hub.crt", hosts: ["hub.example"] })                    self-signed
 *     makeCertificate({ out: "hub.crt", hosts: […], authority: { certFile: "ca.crt" } })
 *     makeAuthority({ out: "ca.crt", name: "Example hub" })
 *
 * @module
 */
import { generateAuthority, signerOf } from "./authority.ts";
import { type CertificateInfo, describeCertificates } from "./describe.ts";
import {
  type CertificatePair,
  type CertificateSigner,
  generateCertificate,
  MAX_DAYS,
} from "./generate.ts";
import { keyFilesFor, loadCertificate } from "./load.ts";
import { saveCertificate } from "./save.ts";

/** What both kinds of files have in common. */
interface OutputOptions {
  /** The certificate's file; the key's is the first of `keyFilesFor(out)`. */
  readonly out: string;
  /** @default {As generateCertificate and generateAuthority have it} */
  readonly days?: number | undefined;
  /** Replace files that are there already. @default {false} */
  readonly force?: boolean;
}

/** Options of {@linkcode makeCertificate}. */
export interface MakeOptions extends OutputOptions {
  /** @default {With force those of the certificate that is replaced, else this machine's} */
  readonly hosts?: readonly string[] | undefined;
  /** Who signs it. @default {its own key} */
  readonly authority?: AuthorityFiles | undefined;
}

/** An authority's files. */
export interface AuthorityFiles {
  readonly certFile: string;
  /** @default {The first of keyFilesFor(certFile) that holds a key} */
  readonly keyFile?: string | undefined;
}

/** Options of {@linkcode makeAuthority}. */
export interface MakeAuthorityOptions extends OutputOptions {
  /** What people see as its name. */
  readonly name: string;
}

/** What was written, and where. */
export interface MadeFiles extends CertificatePair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A request that cannot be met as it stands: nothing was written. */
export class MakeError extends Error {
  override readonly name = "MakeError";
}

/** What every certificate for trying out is good for, in addition to the machine's own name. */
const LOCAL_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "::1"];

/**
 * @param what What to name it in an error: a command line's parser names its flags by itself.
 * @throws {MakeError} If it is no number of days.
 */
export function parseDays(text: string, what = ""): number {
  const days = Number(text);
  if (/^\d+$/.test(text) && days >= 1 && days <= MAX_DAYS) return days;
  throw new MakeError(`${what}"${text}" is not a number of days from 1 to ${MAX_DAYS}`);
}

/** `hub.example, 10.0.0.1` → its two hosts. */
export function parseHosts(text: string): string[] {
  return text.split(",").map((host) => host.trim()).filter((host) => host !== "");
}

/**
 * Makes a key, and a certificate for it.
 *
 * @throws {MakeError} If a file is there already, or hosts or days cannot be.
 * @throws {Error} If the authority cannot be used; the message names its file and what to do.
 */
export async function makeCertificate(options: MakeOptions): Promise<MadeFiles> {
  const { out, days, force = false } = options;
  const authority = options.authority && await loadSigner(options.authority);
  const replaced = force ? await existing(out) : undefined;
  if (replaced?.selfSigned === false && authority === undefined) {
    throw new MakeError(
      `Cannot replace "${out}" by a self-signed certificate: "${replaced.issuer}" signed it, ` +
        "and machines that trust that authority would refuse the new one. Name the authority with " +
        "--ca, or remove the file first",
    );
  }
  const renewed = replaced?.hosts.length ? replaced.hosts : undefined;
  if (force && options.hosts === undefined && renewed === undefined) {
    throw new MakeError(
      `Cannot renew "${out}": there is no certificate whose hosts the new one would have. Name its ` +
        "file with --out, or hosts with --hosts",
    );
  }
  const hosts = options.hosts ?? renewed ?? [...LOCAL_HOSTS, ...ownName()];
  return await save(
    () => generateCertificate(hosts, { authority, ...(days !== undefined && { days }) }),
    { out, force },
  );
}

/**
 * Makes a key, and the certificate of an authority for it.
 *
 * @throws {MakeError} If a file is there already, or name or days cannot be.
 */
export async function makeAuthority(options: MakeAuthorityOptions): Promise<MadeFiles> {
  const { out, name, days, force = false } = options;
  return await save(() => generateAuthority(name, days === undefined ? {} : { days }), {
    out,
    force,
  });
}

async function save(
  generate: () => Promise<CertificatePair>,
  { out, force }: { out: string; force: boolean },
): Promise<MadeFiles> {
  const pair = await generate().catch((cause) => {
    throw new MakeError((cause as Error).message, { cause });
  });
  const [keyFile = ""] = keyFilesFor(out);
  try {
    saveCertificate(pair, { certFile: out, keyFile, force });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    throw new MakeError(`${cause.message}. Add --force to replace it`, { cause });
  }
  return { ...pair, certFile: out, keyFile };
}

async function loadSigner({ certFile, keyFile }: AuthorityFiles): Promise<CertificateSigner> {
  const pair = await loadCertificate(certFile, { keyFile, keyFlag: "--ca-key" });
  if (pair.notAfter.getTime() <= Date.now()) {
    const end = pair.notAfter.toISOString();
    throw new Error(`Cannot sign with "${certFile}": it ended ${end}; make another authority`);
  }
  try {
    return await signerOf(pair);
  } catch (cause) {
    throw new Error(`Cannot sign with "${certFile}": ${(cause as Error).message}`, { cause });
  }
}

/** The certificate that is to be replaced, whose hosts a renewal need not name again. */
async function existing(certFile: string): Promise<CertificateInfo | undefined> {
  try {
    return (await describeCertificates(await Deno.readTextFile(certFile)))[0];
  } catch {
    // There is none, or it is damaged: then there is nothing to take over.
    return undefined;
  }
}

/** The machine's name, if it can stand in a certificate. */
function ownName(): string[] {
  const name = Deno.hostname().toLowerCase();
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name) ? [name] : [];
}
