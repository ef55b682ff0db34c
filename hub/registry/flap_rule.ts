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
 * The rule is two pure functions of a history, for hubs that share one; `FlapRule` keeps the history of
 * a hub that is alone.
 *
 * @module
 */

/** Turns are counted over this time. */
export const FLAP_WINDOW_MS = 60_000;
/** This many turns in the window, and the newcomer is refused. */
export const FLAP_TURNS = 3;
/** A contender that did not try for this long is gone. Servers retry a refusal each minute. */
export const CONTENDER_GONE_MS = 300_000;

/** What is remembered of one name. */
export interface FlapHistory {
  /** The last ones, oldest first; at most `2 · FLAP_TURNS`. */
  readonly turns: readonly { readonly atMs: number; readonly displaced: string }[];
  /** When the one that is refused tried the last time; absent when nobody is refused. */
  readonly contenderSeenMs?: number;
}

/** The history of a name over which nobody fights. */
export const NO_TURNS: FlapHistory = { turns: [] };

/** What a turn amounted to. */
export interface Turn {
  /** Turns within the window. */
  readonly turns: number;
  /** Whether newcomers are refused from now on. */
  readonly refusing: boolean;
}

/** Two instances of one name. */
export interface Contenders {
  /** Who has it, or had it until now. */
  readonly holder: string;
  readonly newcomer: string;
  /** When the newcomer asks. */
  readonly nowMs: number;
}

/**
 * The history after `newcomer` has displaced the open tunnel of `holder`, and what the turn amounted to
 * if the newcomer had been displaced itself. Servers that send no instance cannot be told apart, so they
 * never count.
 */
export function withTurn(
  history: FlapHistory,
  { holder, newcomer, nowMs }: Contenders,
): { readonly history: FlapHistory; readonly turn: Turn | undefined } {
  if (holder === "" || newcomer === "" || holder === newcomer) return { history, turn: undefined };
  const recent = history.turns.filter(({ atMs }) => nowMs - atMs < FLAP_WINDOW_MS);
  const returned = recent.some(({ displaced }) => displaced === newcomer);
  // Older turns than these decide nothing.
  const turns = [...recent, { atMs: nowMs, displaced: holder }].slice(-2 * FLAP_TURNS);
  const isFight = returned && turns.length >= FLAP_TURNS;
  const next = isFight ? { turns, contenderSeenMs: nowMs } : { ...history, turns };
  if (!returned) return { history: next, turn: undefined };
  const refusing = next.contenderSeenMs !== undefined;
  return { history: next, turn: { turns: turns.length, refusing } };
}

/** The history after `newcomer` has asked for the name, and whether it must stay out. */
export function withNewcomer(
  history: FlapHistory,
  { holder, newcomer, nowMs }: Contenders,
): { readonly history: FlapHistory; readonly refused: boolean } {
  const { turns, contenderSeenMs } = history;
  if (contenderSeenMs === undefined || holder === newcomer) return { history, refused: false };
  if (nowMs - contenderSeenMs > CONTENDER_GONE_MS) return { history: NO_TURNS, refused: false };
  return { history: { turns, contenderSeenMs: nowMs }, refused: true };
}

/** The history of one name at a hub that is alone. */
export class FlapRule {
  readonly #now: () => number;
  #history = NO_TURNS;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * To be told whenever `newcomer` displaced the open tunnel of `displaced`.
   *
   * @returns What it amounted to if the newcomer had been displaced itself, else `undefined`.
   */
  replaced(displaced: string, newcomer: string): Turn | undefined {
    const contenders = { holder: displaced, newcomer, nowMs: this.#now() };
    const { history, turn } = withTurn(this.#history, contenders);
    this.#history = history;
    return turn;
  }

  /** Whether a newcomer must stay out while `holder` has its tunnel open. */
  refuses(holder: string, newcomer: string): boolean {
    const contenders = { holder, newcomer, nowMs: this.#now() };
    const { history, refused } = withNewcomer(this.#history, contenders);
    this.#history = history;
    return refused;
  }

  /** To be told when the holder is gone. */
  end(): void {
    this.#history = NO_TURNS;
  }
}
