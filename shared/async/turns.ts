/**
 * How those who have much to do share the event loop.
 *
 *     read ─▶ work ─▶ read ─▶ work ─▶ isOver? ─▶ next() ─▶ timers, accepts, other sockets ─▶ on
 *
 * A read that is ready at once does not go back to the event loop: whoever reads from a peer that
 * sends without a pause would keep everybody else waiting, for as long as the peer likes. So such a
 * loop asks now and then whether this turn has had its share of work. It asks after a number of bytes,
 * not after each read: a clock costs as much as a small frame does.
 *
 * Those who wait for the next turn go on one after the other, one in each turn: what everybody else
 * waits is the same whether one peer sends too much, or a hundred do.
 *
 * @module
 */

/** Work of one turn, after which those who have more wait for the next. */
export const MAX_TURN_MS = 3;

const SOMETHING = new Uint8Array(1);

/**
 * Turns by a small job, of which one is followed by a turn by a timer. On a busy machine the other
 * thread may be done each time before the event loop comes to rest.
 */
const JOBS_PER_TIMER = 4;

const { setTimeout } = globalThis;
let jobs = 0;

/**
 * Resolves when the event loop has looked at its sockets and timers: mostly, and certainly within
 * some calls.
 *
 * Not by `setImmediate`: Deno runs that without a look, and while there is always another one, it
 * looks at every sixty-first turn only. It does look when nothing is left to run. So this waits for
 * another thread, with the smallest job that Deno gives one: 50 µs, where a timer takes a millisecond.
 * Nothing is left to run unless the job is done by then, so now and then a timer makes sure.
 */
export async function loopTurn(): Promise<void> {
  if (++jobs % (JOBS_PER_TIMER + 1) === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  else await crypto.subtle.digest("SHA-256", SOMETHING);
}

export interface TurnsOptions {
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
}

/**
 * Says who must wait so that others get their share of the event loop. A turn begins when somebody
 * first asks in it.
 */
export class Turns {
  readonly #now: () => number;
  /** Of the turn that goes on; `undefined` while nobody has asked. */
  #begunMs: number | undefined;
  #isMarked = false;
  readonly #waiting: (() => void)[] = [];
  #turning = false;

  constructor({ now = () => performance.now() }: TurnsOptions = {}) {
    this.#now = now;
  }

  /** Whether this turn has had its share, so that code with more to do should wait for `next()`. */
  isOver(): boolean {
    const now = this.#now();
    if (this.#begunMs !== undefined) return now - this.#begunMs >= MAX_TURN_MS;
    this.#begin(now);
    return false;
  }

  /** Resolves in a turn of the caller's own. */
  next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    if (!this.#turning) void this.#turn();
    return promise;
  }

  async #turn(): Promise<void> {
    this.#turning = true;
    for (let next; (next = this.#waiting[0]) !== undefined; this.#waiting.shift()) {
      await loopTurn();
      this.#begin(this.#now());
      next();
    }
    this.#turning = false;
  }

  /** A caller that never lets the loop turn never meets the turn's end. */
  #begin(now: number): void {
    this.#begunMs = now;
    if (this.#isMarked) return;
    this.#isMarked = true;
    setImmediate(() => {
      this.#isMarked = false;
      this.#begunMs = undefined;
    });
  }
}

/** The turns of this program's own loop. */
export const turns: Turns = new Turns();
