/**
 * Removes what dead hubs have left in the engine: the hub with the smallest session does it, in slices. To
 * delete 100 000 places at once stopped etcd for half a second, and its watches for nine.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { delay } from "../../shared/async/delay.ts";
import { type Engine, EngineError } from "../engine/engine.ts";
import type { ClusterKeys } from "./keys.ts";
import type { Membership } from "./membership.ts";

/** Places in one slice. */
const SLICE = 1_000;
/** Between two slices. */
const PAUSE_MS = 100;
/** A name that is away for this long is forgotten. */
export const NAME_KEPT_MS = 30 * 24 * 60 * 60 * 1000;
/** Names that are forgotten in one sweep. */
const MAX_FORGOTTEN = 1_000;

export interface SweeperOptions {
  readonly engine: Engine;
  readonly keys: ClusterKeys;
  readonly membership: Membership;
  readonly signal: AbortSignal;
}

/** Removes what dead hubs have left. */
export class Sweeper {
  readonly #options: SweeperOptions;
  #sweeping = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** To be called now and then by a member; does nothing if it is another hub's turn. */
  sweep(own: string): void {
    const { membership } = this.#options;
    if (this.#sweeping) return;
    const dead = membership.deadSessions();
    if (dead.length === 0) return;
    const [first] = membership.hubs().map(({ session }) => session).sort();
    if (first !== own) return;
    this.#sweeping = true;
    void this.#sweepAll(dead).finally(() => this.#sweeping = false);
  }

  /** Forgets names that have been away for long, to be called once an hour or so. */
  async forget(nowMs: number): Promise<void> {
    const { engine, keys, membership } = this.#options;
    let forgotten = 0;
    for (const [name, { record: { left }, revision }] of [...membership.holders()]) {
      if (left === undefined || nowMs - left.atMs < NAME_KEPT_MS) continue;
      if (forgotten++ === MAX_FORGOTTEN) return;
      const key = keys.name(name);
      await engine.commit({ conditions: [{ key, revision }], writes: [{ delete: key }] });
    }
  }

  async #sweepAll(sessions: readonly string[]): Promise<void> {
    try {
      for (const session of sessions) await this.#sweepOne(session);
    } catch (error) {
      const log = getLogger(["hub", "cluster"]);
      const isUsual = this.#options.signal.aborted || error instanceof EngineError;
      // Nobody waits for a sweep: what it throws would end the hub.
      log[isUsual ? "debug" : "error"]("The sweep ended: {error}", { error });
    }
  }

  async #sweepOne(session: string): Promise<void> {
    const { engine, keys, signal } = this.#options;
    let swept = 0;
    for (;;) {
      const { entries, more } = await engine.read(keys.places(session), { limit: SLICE });
      const [first, last] = [entries[0], entries.at(-1)];
      if (first === undefined || last === undefined) break;
      const commit = await engine.commit({
        conditions: [{ key: keys.hub(session), revision: 0 }],
        writes: [{ delete: first.key, before: `${last.key}\0` }],
      });
      if (!commit.ok) return; // It lives.
      swept += entries.length;
      if (!more) break;
      await delay(PAUSE_MS, { signal });
    }
    getLogger(["hub", "cluster"]).info(
      "Removed {swept} places that session {session} left when its hub died",
      { swept, session },
    );
  }
}
