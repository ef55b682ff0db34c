/**
 * What a hub remembers of its cluster over its own restarts: a file in its state folder.
 *
 * Its last session, so that the next start can end it: its predecessor is certainly dead, because the
 * folder is locked. And the highest generation that it saw, so that it notices an engine that was
 * restored from a backup while no hub was running.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { Complaint } from "../../shared/async/complaint.ts";
import { replaceFile } from "../../shared/files/replace_file.ts";

/** In the state folder. */
export const CLUSTER_FILE = "cluster.json";

export interface LastLife {
  /** The cluster's name: a hub may have moved to another one. */
  readonly cluster: string;
  /** Which engine it was. */
  readonly engine: string;
  /** Empty for none. */
  readonly session: string;
  readonly generation: number;
}

/** The file, or nothing for a hub without a state folder. */
export class ClusterFile {
  readonly #path: string | undefined;
  readonly #complaint = new Complaint();
  #written = "";

  constructor(stateDir: string | undefined) {
    this.#path = stateDir === undefined ? undefined : `${stateDir}/${CLUSTER_FILE}`;
  }

  /** @returns `undefined` if there is none, or none that can be used. */
  read(cluster: string): LastLife | undefined {
    if (this.#path === undefined) return undefined;
    try {
      const found = JSON.parse(Deno.readTextFileSync(this.#path));
      const isUsable = typeof found === "object" && found !== null && found.cluster === cluster &&
        /^[0-9a-f-]{0,64}$/.test(found.session) && typeof found.engine === "string" &&
        Number.isSafeInteger(found.generation);
      return isUsable ? found : undefined;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) this.#complain("read", error);
      return undefined;
    }
  }

  write(remembered: LastLife): void {
    if (this.#path === undefined) return;
    const text = `${JSON.stringify(remembered)}\n`;
    if (text === this.#written) return;
    try {
      replaceFile(this.#path, text);
      this.#written = text;
    } catch (error) {
      this.#complain("write", error);
    }
  }

  #complain(what: string, error: unknown): void {
    if (!this.#complaint.isDue(String(error))) return;
    getLogger(["hub", "cluster"]).warn("Cannot {what} {path}: {error}", {
      what,
      path: this.#path,
      error,
    });
  }
}
