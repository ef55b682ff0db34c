/**
 * Cleans up in the engine: what dead hubs have left, and names that are away for a long time. The hub with the
 * smallest session does it, in slices. To delete 100 000 places at once stopped etcd for half a second,
 * and its watches for nine.
 *
 *     a hub dies ─▶ of each name that is nowhere now: when and with which hub it went ─▶ its places go
 *     a name is away for 30 days, or 100 000 others went away since ─▶ it is forgotten
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { delay } from "../../shared/async/delay.ts";
import { type Engine, EngineError } from "../engine/engine.ts";
import type { ServerName } from "../registry/tunnel.ts";
import { tenureOf } from "./claims.ts";
import type { ClusterKeys } from "./keys.ts";
import type { Membership } from "./membership.ts";
import { encodeRecord, type LeftRecord } from "./records.ts";

/** Places or names in one slice. */
const SLICE = 1_000;
/** Between two slices. */
const PAUSE_MS = 100;
/** Names in one transaction. */
const BATCH = 60;
/** A name that is away for this long is forgotten. */
export const NAME_KEPT_MS = 30 * 24 * 60 * 60 * 1000;
/** Names that are away and are remembered; beyond, those that went first are forgotten. */
export const MAX_NAMES_AWAY = 100_000;

export interface SweeperOptions {
  readonly engine: Engine;
  readonly keys: ClusterKeys;
  readonly membership: Membership;
  readonly signal: AbortSignal;
  /** @default MAX_NAMES_AWAY */
  readonly maxNamesAway?: number;
  /** Names that are forgotten before others have their turn. @default SLICE */
  readonly slice?: number;
}

/** Cleans up for the whole cluster. */
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
    if (dead.length === 0 || !this.#isTurnOf(own)) return;
    this.#sweeping = true;
    void this.#sweepAll(dead).finally(() => this.#sweeping = false);
  }

  /**
   * Forgets names that have been away for long, to be called once an hour or so. It looks at all names
   * once, which takes half a second where there are half a million.
   */
  async forget(own: string, nowMs: number): Promise<void> {
    const { membership, maxNamesAway = MAX_NAMES_AWAY } = this.#options;
    if (!this.#isTurnOf(own)) return;
    const away: { readonly name: ServerName; readonly revision: number; readonly atMs: number }[] =
      [];
    const untold: ServerName[] = [];
    for (const [name, { record: { left }, revision }] of membership.holders()) {
      if (left !== undefined) away.push({ name, revision, atMs: left.atMs });
      else if (this.#isNowhere(name)) untold.push(name);
    }
    // Their places went without a word, so nobody knows since when.
    await this.#inSlices(untold, (names) => this.#depart(names, nowMs));
    const surplus = away.length - maxNamesAway;
    if (surplus > 0) away.sort((a, b) => a.atMs - b.atMs);
    const due = away.filter(({ atMs }, i) => i < surplus || nowMs - atMs >= NAME_KEPT_MS);
    await this.#inSlices(due, (names) => this.#forgetAll(names));
  }

  async #inSlices<T>(
    all: readonly T[],
    work: (slice: readonly T[]) => Promise<void>,
  ): Promise<void> {
    const { slice = SLICE, signal } = this.#options;
    for (let from = 0; from < all.length; from += slice) {
      if (from > 0) await delay(PAUSE_MS, { signal });
      await work(all.slice(from, from + slice));
    }
  }

  #isTurnOf(own: string): boolean {
    const sessions = this.#options.membership.hubs().map(({ session }) => session);
    return sessions.sort()[0] === own;
  }

  /** Its last hub died, and nobody has said so of this name yet. */
  #isNowhere(name: ServerName): boolean {
    const { membership } = this.#options;
    const record = membership.holder(name)?.record;
    return record !== undefined && record.left === undefined &&
      membership.hub(record.session) === undefined && !membership.isPlaced(name);
  }

  async #forgetAll(
    names: readonly { readonly name: ServerName; readonly revision: number }[],
  ): Promise<void> {
    const { engine, keys } = this.#options;
    for (let from = 0; from < names.length; from += BATCH) {
      const batch = names.slice(from, from + BATCH)
        .map(({ name, revision }) => ({ key: keys.name(name), revision }));
      // One that came back just now spares the others of its batch, until the next time.
      await engine.commit({
        conditions: batch,
        writes: batch.map(({ key }) => ({ delete: key })),
      });
    }
  }

  /** Writes down how names went away whose hubs died; those that others claim meanwhile are theirs. */
  async #depart(names: readonly ServerName[], atMs: number): Promise<void> {
    for (let from = 0; from < names.length; from += BATCH) {
      const batch = names.slice(from, from + BATCH);
      if (await this.#departAll(batch, atMs)) continue;
      for (const name of batch) await this.#departAll([name], atMs);
    }
  }

  async #departAll(names: readonly ServerName[], nowMs: number): Promise<boolean> {
    const { engine, keys, membership } = this.#options;
    const gone = names.filter((name) => this.#isNowhere(name)).map((name) => {
      const known = membership.holder(name)!;
      const { hub, session } = known.record;
      const left = lostWith(hub, membership.endedMs(session) ?? nowMs);
      const record = { ...known.record, tenure: tenureOf(known), left };
      return { key: keys.name(name), revision: known.revision, value: encodeRecord(record) };
    });
    if (gone.length === 0) return true;
    const { ok } = await engine.commit({
      conditions: gone.map(({ key, revision }) => ({ key, revision })),
      writes: gone.map(({ key, value }) => ({ put: key, value })),
    });
    return ok;
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
    const prefix = keys.places(session);
    let swept = 0;
    for (;;) {
      const { entries, more } = await engine.read(prefix, { limit: SLICE });
      const [first, last] = [entries[0], entries.at(-1)];
      if (first === undefined || last === undefined) break;
      await this.#depart(entries.map(({ key }) => key.slice(prefix.length)), Date.now());
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

/** How a name went away whose hub died: when that was noticed is all that is known. */
export function lostWith(hub: string, atMs: number): LeftRecord {
  return { atMs, reason: `Hub "${hub}" was lost`, hub };
}
