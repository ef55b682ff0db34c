/**
 * How those who have much to do share the event loop.
 *
 *     read ─▶ work ─▶ read ─▶ work ─▶ isOver? ─▶ next() ─▶ timers, accepts, other sockets ─▶ on
 *
 * A read that is ready at once does not go back to the event loop: whoever reads from a peer that
 * sends without a pause would keep everybody else waiting, for as long as the peer likes. So such a
 * loop asks now and then whether this turn has had its share of work. It asks after so many bytes,
 * not after each read: a clock costs as much as a small frame does.
 *
 * Those who wait for the next turn go on one after the other, one in each turn: what everybody else
 * waits is the same whether one peer sends too much, or a hundred do.
 *
 * @module
 */

/** Work of one turn, after which those who have more wait for the next. */
export const MAX_TURN_MS = 3;

export interface TurnsOptions {
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** See the module's head. A turn begins when somebody first asks in it. */
export class Turns {
  readonly #now: () => number;
  /** Of the turn that goes on; `undefined` while nobody has asked. */
  #begunMs: number | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor({ now = () => performance.now() }: TurnsOptions = {}) {
    this.#now = now;
  }

  /** Whether this turn has had its share, so that who has more to do should wait for `next()`. */
  isOver(): boolean {
    const now = this.#now();
    if (this.#begunMs !== undefined) return now - this.#begunMs >= MAX_TURN_MS;
    this.#begin(now);
    return false;
  }

  /** Resolves in a turn of the caller's own. */
  next(): Promise<void> {
    if (this.#begunMs === undefined) this.#begin(this.#now());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #begin(now: number): void {
    this.#begunMs = now;
    setImmediate(() => {
      this.#begunMs = undefined;
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#begin(this.#now());
      next();
    });
  }
}

/** The turns of this program's own loop. */
export const turns: Turns = new Turns();
