/**
 * Notices two living instances that fight over one name: docs/protocol.md §7.2.
 *
 * A server that restarts displaces its own half-open tunnel once and is done. A cloned machine
 * is different: the displaced instance *comes back* and displaces in turn, which only a living
 * one can. So a turn is one instance displacing another, and a fight is three turns within a
 * minute of which one was a return.
 *
 *     A holds, B displaces A     turn 1
 *     A displaces B              turn 2, a return: both live, reported
 *     B displaces A              turn 3, B holds: from now on A is refused
 *
 * @module
 */

/** Turns are counted over this time. */
export const FLAP_WINDOW_MS = 60_000;
/** This many turns in the window, and the newcomer is refused. */
export const FLAP_TURNS = 3;
/** A contender that did not try for this long is gone. Servers retry a refusal each minute. */
export const CONTENDER_GONE_MS = 300_000;

/** What a turn amounted to. */
export interface Turn {
  /** Turns within the window. */
  readonly turns: number;
  /** Whether newcomers are refused from now on. */
  readonly refusing: boolean;
}

/** The history of one name. Servers that send no instance cannot be told apart, so they never count. */
export class FlapRule {
  readonly #now: () => number;
  #turns: { readonly atMs: number; readonly displaced: string }[] = [];
  #contenderSeenMs: number | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * To be told whenever `newcomer` displaced the open tunnel of `displaced`.
   *
   * @returns What it amounted to if the newcomer had been displaced itself, else `undefined`.
   */
  replaced(displaced: string, newcomer: string): Turn | undefined {
    if (displaced === "" || newcomer === "" || displaced === newcomer) return undefined;
    const atMs = this.#now();
    const recent = this.#turns.filter((turn) => atMs - turn.atMs < FLAP_WINDOW_MS);
    const returned = recent.some((turn) => turn.displaced === newcomer);
    // Older turns than these decide nothing.
    this.#turns = [...recent, { atMs, displaced }].slice(-2 * FLAP_TURNS);
    if (!returned) return undefined;
    const turns = this.#turns.length;
    if (turns >= FLAP_TURNS) this.#contenderSeenMs = atMs;
    return { turns, refusing: this.#contenderSeenMs !== undefined };
  }

  /** Whether a newcomer must stay out while `holder` has its tunnel open. */
  refuses(holder: string, newcomer: string): boolean {
    if (this.#contenderSeenMs === undefined || holder === newcomer) return false;
    const nowMs = this.#now();
    if (nowMs - this.#contenderSeenMs > CONTENDER_GONE_MS) {
      this.end();
      return false;
    }
    this.#contenderSeenMs = nowMs;
    return true;
  }

  /** To be told when the holder is gone. */
  end(): void {
    this.#turns = [];
    this.#contenderSeenMs = undefined;
  }
}
