/**
 * The files that all hubs of a cluster must share, told apart by fingerprints. They never travel through
 * the engine: who could write a key into it could vouch for anybody.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash } from "node:crypto";
import { Complaint } from "../../shared/async/complaint.ts";
import { KEY_FILE } from "../access/vouchers.ts";
import { tokenFiles } from "../auth/hub_tokens.ts";
import type { HubRecord } from "./view.ts";

/** Where they are. */
export interface OwnFiles {
  readonly stateDir: string | undefined;
  readonly authFile: string | undefined;
}

/** Hex digits: enough to tell files apart, and useless to guess a secret of 256 bits. */
const FINGERPRINT_LENGTH = 16;

/** Fingerprints of the files that are there. */
export function sharedFiles({ stateDir, authFile }: OwnFiles): HubRecord["fingerprints"] {
  const files: Record<string, string | undefined> = {
    auth: authFile,
    ...(stateDir !== undefined && {
      ...tokenFiles(stateDir),
      voucher: `${stateDir}/${KEY_FILE}`,
    }),
  };
  const fingerprints: Record<string, string> = {};
  for (const [what, path] of Object.entries(files)) {
    const fingerprint = path === undefined ? undefined : fingerprintOf(what, path);
    if (fingerprint !== undefined) fingerprints[what] = fingerprint;
  }
  return fingerprints;
}

function fingerprintOf(what: string, path: string): string | undefined {
  try {
    // With what it is: the same secret in two files is nobody's to see.
    const hash = createHash("sha256").update(`ghub ${what}\0`).update(Deno.readFileSync(path));
    return hash.digest("hex").slice(0, FINGERPRINT_LENGTH);
  } catch {
    return undefined; // Not there, or not ours to read: there is nothing to compare.
  }
}

/** Names hubs whose files differ from ours, in the log, once a minute. */
export class SharedFilesCheck {
  readonly #complaint = new Complaint();

  look(own: string, hubs: readonly HubRecord[]): void {
    const mine = hubs.find(({ session }) => session === own)?.fingerprints ?? {};
    const others = hubs.filter(({ session }) => session !== own)
      .map(({ name, fingerprints }) => {
        const files = Object.keys(mine).filter((what) =>
          fingerprints[what] !== undefined && fingerprints[what] !== mine[what]
        );
        return files.length === 0 ? "" : `${name} (${files.join(", ")})`;
      }).filter((text) => text !== "");
    if (others.length === 0) return this.#complaint.settle();
    const what = others.sort().join("; ");
    if (!this.#complaint.isDue(what)) return;
    getLogger(["hub", "cluster"]).warn(
      "Hubs of this cluster have other files than this hub: {what}. Copy them, so that all are the same",
      { what },
    );
  }
}
