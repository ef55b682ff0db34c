/**
 * Watches the hub's certificate: a renewed one is used at once, a broken one is not, and one that
 * nears its end is spoken of 30, 7 and 1 days before.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash } from "node:crypto";
import { Complaint } from "../../shared/async/complaint.ts";
import { Polled } from "../../shared/async/polled.ts";
import { rulesFault } from "../../shared/files/modes.ts";
import { DAY_MS } from "../../shared/tls/day.ts";
import { pinOf } from "../../shared/tls/pin.ts";
import { loadAuthorities, loadCertificate } from "../../shared/tls/load.ts";
import type { TlsIdentity } from "./listen_options.ts";

/** How often the files are looked at. */
export const CERTIFICATE_POLL_MS = 5_000;
/** Days before the end at which a warning is due. */
const WARN_DAYS: readonly number[] = [30, 7, 1];

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile?: string | undefined;
  readonly clientCaFile?: string | undefined;
}

export interface LoadedIdentity extends TlsIdentity {
  readonly notAfter: Date;
}

/**
 * Reads the files.
 *
 * @throws {Error} If one cannot be used, or they do not fit together.
 */
export async function loadIdentity(files: CertificateFiles): Promise<LoadedIdentity> {
  const { certFile, keyFile, clientCaFile } = files;
  const { cert, key, notAfter } = await loadCertificate(certFile, { keyFile });
  if (clientCaFile === undefined) return { cert, key, notAfter };
  // An authority put there by somebody else could let in whom it likes.
  const clientCa = await loadAuthorities(clientCaFile, {
    flag: "--client-ca",
    faultOf: rulesFault,
  });
  return { cert, key, notAfter, clientCa };
}

export interface CertificateWatchOptions {
  readonly files: CertificateFiles;
  /** What is in use now. */
  readonly current: LoadedIdentity;
  /** Puts another one in use. */
  use(identity: TlsIdentity): Promise<void>;
  /** @default POLL_MS */
  readonly pollMs?: number;
  /** @default Date.now */
  readonly now?: () => number;
}

/**
 * Watches the certificate's files, and says when a renewed one is good. Disposing of it ends the
 * watch.
 */
export class CertificateWatch implements Disposable {
  readonly #options: CertificateWatchOptions;
  readonly #polled: Polled;
  #current: LoadedIdentity;
  #fingerprint: string;
  readonly #complaint = new Complaint();
  /** The last threshold that was spoken of. */
  #warnedDays = Infinity;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
    this.#current = options.current;
    this.#fingerprint = fingerprintOf(options.current);
    this.#polled = new Polled(() => this.#load(), {
      pollMs: options.pollMs ?? CERTIFICATE_POLL_MS,
      onFault: ({ message }) => this.#complain(message),
      onPolled: () => this.#warn(),
    });
    this.#warn();
  }

  /** When the certificate that is in use ends. */
  get notAfter(): Date {
    return this.#current.notAfter;
  }

  [Symbol.dispose](): void {
    this.#polled[Symbol.dispose]();
  }

  /**
   * Looks now.
   *
   * @returns Whether another certificate is in use, or other authorities are in force.
   * @throws {Error} If it cannot be used; then the one before it stays in use.
   */
  look(): Promise<boolean> {
    return this.#polled.look();
  }

  /** While certificate and key are being replaced, one by one, they do not fit together. */
  #complain(message: string): void {
    if (!this.#complaint.isDue(message)) return;
    getLogger(["hub", "tls"]).error(
      "The certificate has changed but is NOT in use, the one before it still is. {message}",
      { message },
    );
  }

  async #load(): Promise<boolean> {
    const { files, use } = this.#options;
    const identity = await loadIdentity(files);
    const fingerprint = fingerprintOf(identity);
    const isAnother = fingerprint !== this.#fingerprint;
    if (isAnother) await use(identity);
    this.#complaint.settle();
    if (!isAnother) return false;
    const { cert, key, clientCa } = this.#current;
    this.#current = identity;
    this.#fingerprint = fingerprint;
    if (identity.clientCa !== clientCa) {
      getLogger(["hub", "tls"]).info(
        "The authorities in {file} have changed and are in force: connections with a certificate " +
          "of one that was removed are closed",
        { file: files.clientCaFile },
      );
    }
    if (identity.cert === cert && identity.key === key) return true;
    this.#warnedDays = Infinity;
    const end = identity.notAfter.toISOString();
    getLogger(["hub", "tls"]).info(
      `{file} is another certificate, and is in use: it ends {end}, its pin is ${
        pinOf(identity.cert)
      }`,
      { file: files.certFile, end },
    );
    return true;
  }

  #warn(): void {
    const { files, now = Date.now } = this.#options;
    const leftMs = this.#current.notAfter.getTime() - now();
    const due = WARN_DAYS.filter((days) => leftMs <= days * DAY_MS).at(-1);
    const threshold = leftMs <= 0 ? 0 : due;
    if (threshold === undefined || threshold >= this.#warnedDays) return;
    this.#warnedDays = threshold;
    const end = this.#current.notAfter.toISOString();
    const details = { file: files.certFile, end, days: Math.max(0, Math.floor(leftMs / DAY_MS)) };
    const log = getLogger(["hub", "tls"]);
    if (leftMs <= 0) log.error("Certificate {file} ended {end}: peers refuse it", details);
    else log.warn("Certificate {file} ends {end}, in {days} days: renew it", details);
  }
}

function fingerprintOf({ cert, key, clientCa = "" }: TlsIdentity): string {
  return createHash("sha256").update(`${cert}\0${key}\0${clientCa}`).digest("hex");
}
