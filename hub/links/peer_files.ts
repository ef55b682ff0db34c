/**
 * Watches the files by which hubs prove themselves: other ones are used for new links, broken ones are
 * not. Links that stand go on, so a secret can be changed at one hub after the other.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import { Complaint } from "../../shared/async/complaint.ts";
import { Polled } from "../../shared/async/polled.ts";
import type { PeerCredentials } from "./peer_dial.ts";

/** How often the files are looked at. */
const PEER_FILES_POLL_MS = 5_000;

export interface PeerFilesOptions {
  /** What is in use now. */
  readonly current: PeerCredentials;
  /** Reads the files. */
  load(): Promise<PeerCredentials>;
  /** Puts them in use. @throws {Error} If they cannot be used; then what was before stays. */
  use(credentials: PeerCredentials): void;
  /** @default PEER_FILES_POLL_MS */
  readonly pollMs?: number;
}

/** Watches the files of links. Disposing of it ends the watch. */
export class PeerFiles implements Disposable {
  readonly #options: PeerFilesOptions;
  readonly #polled: Polled;
  readonly #complaint = new Complaint();
  #fingerprint: string;

  constructor(options: PeerFilesOptions) {
    this.#options = options;
    this.#fingerprint = fingerprintOf(options.current);
    this.#polled = new Polled(() => this.#load(), {
      pollMs: options.pollMs ?? PEER_FILES_POLL_MS,
      onFault: ({ message }) => {
        if (!this.#complaint.isDue(message)) return;
        getLogger(["hub", "links"]).error(
          "The files of links have changed but are NOT in use, those before still are. {message}",
          { message },
        );
      },
    });
  }

  /**
   * Looks now.
   *
   * @returns Whether other ones are in use.
   * @throws {Error} If they cannot be used; then those before stay in use.
   */
  look(): Promise<boolean> {
    return this.#polled.look();
  }

  [Symbol.dispose](): void {
    this.#polled[Symbol.dispose]();
  }

  async #load(): Promise<boolean> {
    const { load, use } = this.#options;
    const credentials = await load();
    const fingerprint = fingerprintOf(credentials);
    const areOthers = fingerprint !== this.#fingerprint;
    if (areOthers) use(credentials);
    this.#complaint.settle();
    if (!areOthers) return false;
    this.#fingerprint = fingerprint;
    getLogger(["hub", "links"]).info("The files of links have changed: new links use them");
    return true;
  }
}

function fingerprintOf({ cert, key, secret = "", ca = "" }: PeerCredentials): string {
  return createHash("sha256").update([cert, key, secret, ca].join("\0")).digest("hex");
}
