/**
 * Reads one name from the engine, when another hub says that it has not the tunnel which the view shows
 * there: the watch is late, and the next call should not go there as well.
 *
 * Callers can make another hub refuse as often as they like, so there are bounds: each name is read once
 * a second at most, and a few at a time. A read that is not made is no fault, because the watch tells
 * the same later.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Engine, EngineError } from "../engine/engine.ts";
import type { ServerName } from "../registry/tunnel.ts";
import type { ClusterKeys } from "./keys.ts";
import type { Membership } from "./membership.ts";

/** A name is not read again sooner than this. */
export const AGAIN_MS = 1_000;
/** Reads under way. */
export const MAX_LOOKS = 8;
/** Names of which it is remembered when they were read. */
const MAX_REMEMBERED = 1_000;

export interface SecondLookOptions {
  readonly engine: Engine;
  readonly keys: ClusterKeys;
  readonly membership: Membership;
}

/** Reads single names again. */
export class SecondLook {
  readonly #options: SecondLookOptions;
  readonly #lookedMs = new Map<ServerName, number>();
  #looks = 0;

  constructor(options: SecondLookOptions) {
    this.#options = options;
  }

  /** Reads a name, unless that was done just now. Never throws. */
  look(name: ServerName): void {
    const nowMs = performance.now();
    if (this.#looks === MAX_LOOKS) return;
    if (nowMs - (this.#lookedMs.get(name) ?? -Infinity) < AGAIN_MS) return;
    if (this.#lookedMs.size === MAX_REMEMBERED) this.#lookedMs.clear();
    this.#lookedMs.set(name, nowMs);
    this.#looks++;
    void this.#read(name)
      .catch((error) => {
        const log = getLogger(["hub", "cluster"]);
        const isUsual = error instanceof EngineError;
        log[isUsual ? "debug" : "error"]('Name "{name}" could not be read again: {error}', {
          name,
          error,
        });
      })
      .finally(() => this.#looks--);
  }

  async #read(name: ServerName): Promise<void> {
    const { engine, keys, membership } = this.#options;
    // The server may be at a hub of which the watch has not told either.
    const hubs = await engine.read(keys.hubs);
    for (const entry of hubs.entries) membership.apply(entry);
    const sessions = membership.hubs().map(({ session }) => session);
    const places = sessions.map((session) => keys.place(session, name));
    const otherwise = [keys.name(name), ...places];
    // All at one revision: no key has this name, so that the engine reads and writes nothing.
    const never = { key: keys.prefix, exists: true } as const;
    const commit = await engine.commit({ conditions: [never], writes: [], otherwise });
    if (commit.ok) return;
    const { now, revision } = commit;
    otherwise.forEach((key, i) => membership.apply(now[i] ?? { key, value: undefined, revision }));
  }
}
