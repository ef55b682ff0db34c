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
import { enrolledFolder, enrolledNames } from "../auth/enrolment.ts";
import { tokenFiles } from "../auth/hub_tokens.ts";
import type { HubRecord } from "./view.ts";

/** Where they are. */
export interface OwnFiles {
  readonly stateDir: string | undefined;
  readonly authFile: string | undefined;
}

/** Hex digits: enough to tell files apart, and useless to guess a secret of 256 bits. */
const FINGERPRINT_LENGTH = 16;
/** A folder that was changed so recently is read each time. */
const SETTLED_MS = 5_000;

/** Files of one hub. What costs much is read again only when it has changed. */
export class SharedFiles {
  readonly #files: OwnFiles;
  /** Of the folder of enrolled servers, and when that was changed last. */
  #enrolled: { readonly changedMs: number; readonly print: string | undefined } | undefined;

  constructor(files: OwnFiles) {
    this.#files = files;
  }

  /** Fingerprints of the files that are there. */
  fingerprints(): HubRecord["fingerprints"] {
    const { stateDir, authFile } = this.#files;
    const files: Record<string, string | undefined> = {
      auth: authFile,
      ...(stateDir !== undefined && {
        ...tokenFiles(stateDir),
        voucher: `${stateDir}/${KEY_FILE}`,
      }),
    };
    const prints: Record<string, string | undefined> = {
      enrolled: stateDir === undefined ? undefined : this.#enrolledPrint(stateDir),
    };
    for (const [what, path] of Object.entries(files)) {
      prints[what] = path === undefined ? undefined : printOf(what, () => Deno.readFileSync(path));
    }
    return Object.fromEntries(
      Object.entries(prints).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
  }

  /** Of names alone: to read thousands of files would keep everybody waiting. */
  #enrolledPrint(stateDir: string): string | undefined {
    try {
      const changedMs = Deno.statSync(enrolledFolder(stateDir)).mtime!.getTime();
      // In the same tick of the clock there may be another change.
      if (this.#enrolled?.changedMs !== changedMs || Date.now() - changedMs < SETTLED_MS) {
        const names = enrolledNames(stateDir);
        const print = names.length === 0
          ? undefined
          : printOf("enrolled", () => new TextEncoder().encode(names.join("\n")));
        this.#enrolled = { changedMs, print };
      }
      return this.#enrolled.print;
    } catch {
      return undefined; // As below.
    }
  }
}

function printOf(what: string, read: () => Uint8Array): string | undefined {
  try {
    // With what it is: the same secret in two files is nobody's to see.
    const hash = createHash("sha256").update(`ghub ${what}\0`).update(read());
    return hash.digest("hex").slice(0, FINGERPRINT_LENGTH);
  } catch {
    return undefined; // Not there, or not ours to read: there is nothing to compare.
  }
}

/** Files that two hubs should have alike and do not: other ones, or one of them has none. */
export function differingFiles(
  a: Pick<HubRecord, "fingerprints">,
  b: Pick<HubRecord, "fingerprints">,
): string[] {
  const files = new Set([...Object.keys(a.fingerprints), ...Object.keys(b.fingerprints)]);
  return [...files].filter((file) => a.fingerprints[file] !== b.fingerprints[file]).sort();
}

/** Names hubs whose files differ from ours, in the log, once a minute. */
export class SharedFilesCheck {
  readonly #complaint = new Complaint();

  look(own: string, hubs: readonly HubRecord[]): void {
    const mine = hubs.find(({ session }) => session === own);
    if (mine === undefined) return; // The view has not shown it yet.
    const others = hubs.filter((hub) => hub !== mine).map((hub) => {
      const files = differingFiles(mine, hub);
      return files.length === 0 ? "" : `${hub.name} (${files.join(", ")})`;
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
