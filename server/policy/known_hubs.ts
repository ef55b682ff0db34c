/**
 * The hubs whose keys this server knows: pinned at first contact, and from then on no other hub is
 * believed at that URI. A file that people can read and edit:
 *
 *     wss://hub.example:8080/ws ed25519:4eUg…xQ0 ed25519:9dFq…Lk2
 *
 * Each line is a hub, its key and the one that will follow it. If you remove a line, the server
 * believes whatever hub answers there next.
 *
 * All hubs that a server is given have the same keys, by file (docs/cluster.md). So a further address
 * is no first contact: a hub there that has other keys than the others is not believed.
 *
 * @module
 */
import { rulesFault } from "../../shared/files/modes.ts";
import type { PublicKey } from "../../shared/vouchers/jws.ts";
import type { KeyStatement } from "../../shared/vouchers/voucher.ts";

/** In the state folder. */
export const KNOWN_HUBS_FILE = "known_hubs";
/** A larger file is not ours. */
const MAX_FILE_BYTES = 1024 * 1024;
const OWNER_ONLY = 0o600;
const KEY = /^ed25519:([A-Za-z0-9_-]{43})$/;

/** What a hub's statement was to this server. */
export type Meeting = "first" | "joined" | "known" | "renewed";

/** A hub that has another key than it had. */
export class HubKeyChangedError extends Error {
  override readonly name = "HubKeyChangedError";
}

/**
 * The file of the hubs whose keys this server has pinned. Read at each dial, so that an edit
 * needs no restart.
 */
export class KnownHubs {
  readonly path: string;

  constructor(stateDir: string) {
    this.path = `${stateDir}/${KNOWN_HUBS_FILE}`;
  }

  /**
   * Compares a hub's keys with those that are pinned, and pins them if there are none.
   *
   * @param options.cluster The hubs that this server is given. @default this one
   * @throws {HubKeyChangedError} If it is not signed by one that is pinned.
   * @throws {Error} If the file cannot be used or written: then nobody is to be believed.
   */
  meet(
    hubUri: URL,
    { keys }: KeyStatement,
    { cluster = [] }: { readonly cluster?: readonly URL[] } = {},
  ): Meeting {
    const hub = hubUri.href;
    const lines = this.#read();
    const shown = keys.map(showKey);
    const pinned = lines.get(hub);
    if (pinned !== undefined && !pinned.includes(shown[0]!)) {
      throw new HubKeyChangedError(
        `The hub at ${hub} has another key (${shown[0]}) than the one that ${this.path} knows ` +
          `(${
            pinned.join(", ")
          }): it was set up again, or somebody poses as it. If you know that ` +
          `it is the right one, remove its line from ${this.path} and restart gserver`,
      );
    }
    if (pinned?.join() === shown.join()) return "known";
    const others = pinned !== undefined
      ? []
      : cluster.map(({ href }) => href).filter((href) => lines.has(href));
    if (others.length > 0 && !others.some((href) => lines.get(href)?.includes(shown[0]!))) {
      throw new HubKeyChangedError(
        `The hub at ${hub} has another key (${shown[0]}) than the one at ${others.join(", ")}: ` +
          "hubs of one server share voucher.key and voucher-next.key. Copy both files from that " +
          `hub to this one, or, if this is the right one, remove the others' lines from ${this.path}`,
      );
    }
    this.#write(lines.set(hub, shown));
    if (pinned !== undefined) return "renewed";
    return others.length > 0 ? "joined" : "first";
  }

  #read(): Map<string, readonly string[]> {
    let text: string;
    try {
      const info = Deno.statSync(this.path);
      if (info.size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
      const fault = rulesFault(info, this.path);
      if (fault !== undefined) throw new Error(fault);
      text = Deno.readTextFileSync(this.path);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return new Map();
      throw new Error(`Cannot use ${this.path}: ${(cause as Error).message}`, { cause });
    }
    const lines = new Map<string, readonly string[]>();
    for (const [i, line] of text.split("\n").entries()) {
      if (line.trim() === "" || line.startsWith("#")) continue;
      const [hub = "", ...keys] = line.trim().split(/\s+/);
      if (keys.length === 0 || !keys.every((key) => KEY.test(key)) || lines.has(hub)) {
        throw new Error(
          `Cannot use ${this.path}: line ${i + 1} is not "URI ed25519:KEY …", or there twice`,
        );
      }
      lines.set(hub, keys);
    }
    return lines;
  }

  /** Aside and renamed: nobody ever reads half of it. */
  #write(lines: ReadonlyMap<string, readonly string[]>): void {
    const text = [...lines].map(([hub, keys]) => `${hub} ${keys.join(" ")}\n`).join("");
    const temporary = `${this.path}.${crypto.randomUUID()}`;
    try {
      Deno.writeTextFileSync(temporary, text, { createNew: true, mode: OWNER_ONLY });
      Deno.renameSync(temporary, this.path);
    } catch (cause) {
      throw new Error(`Cannot pin the hub's key in ${this.path}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
}

/** As it stands in the file. */
export function showKey({ key }: PublicKey): string {
  return `ed25519:${key.export({ format: "jwk" }).x}`;
}
