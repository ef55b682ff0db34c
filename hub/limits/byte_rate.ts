/**
 * How many bytes somebody may move in a second: a token bucket whose tokens are credit.
 *
 * Nobody is cut: who finds the bucket empty gets no WINDOW_UPDATE, waits in line, and is asked
 * again when there is some. What needs no credit (the first window of each stream) is booked all
 * the same, so that the bucket may owe; how long it will, `debtMs` tells.
 *
 * @module
 */

/** How often those who wait are given what has come in meanwhile. */
export const REFILL_MS = 50;
/** What is taken from a bucket at least, unless less is wanted: crumbs are not worth a frame. */
export const MIN_TAKE = 8 << 10;
/** What one takes in its turn while others wait. */
const TURN_BYTES = 16 << 10;
/** The smallest rate: less would not let a stream's first window through in a second. */
export const MIN_BYTES_PER_S = 64 << 10;
/** What an idle bucket saves up, in parts of a second's bytes; at least a first window. */
const BURST_S = 0.25;

/** Somebody who takes tokens. */
export interface Taker {
  /** There may be some. A taker that still finds none waits again. */
  onTokens(): void;
}

/** Guarantee: in any `t` seconds no more than `perSecond · t` and one burst are given as credit. */
export class ByteRate {
  readonly perSecond: number;
  #burst: number;
  readonly #now: () => number;
  readonly #waiting = new Set<Taker>();
  #tokens: number;
  #filledMs: number;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Whose turn it is: it may take before those who wait, here and in the other buckets it needs. */
  static #turn: Taker | undefined;

  /** @param now A clock in milliseconds that never goes back. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.perSecond = perSecond;
    this.#burst = Math.max(MIN_BYTES_PER_S, perSecond * BURST_S);
    this.#tokens = this.#burst;
    this.#now = now;
    this.#filledMs = now();
  }

  /** Takes tokens for up to `bytes`; a taker that gets none is called when there are some. */
  take(bytes: number, taker: Taker): number {
    this.#fill();
    const inLine = this.#waiting.size > 0 && ByteRate.#turn !== taker;
    if (inLine || this.#tokens < Math.min(bytes, MIN_TAKE)) {
      this.wait(taker);
      return 0;
    }
    const most = this.#waiting.size > 0 ? Math.min(bytes, TURN_BYTES) : bytes;
    const taken = Math.min(most, Math.floor(this.#tokens));
    this.#tokens -= taken;
    return taken;
  }

  /** Has `taker` called when there are tokens. */
  wait(taker: Taker): void {
    this.#waiting.add(taker);
    this.#timer ??= setInterval(() => this.#serve(), REFILL_MS);
  }

  /** Books bytes that were moved without having been asked for. Negative: tokens that come back. */
  charge(bytes: number): void {
    this.#tokens -= bytes;
  }

  /** How long until it owes nothing. */
  get debtMs(): number {
    this.#fill();
    return Math.max(0, -this.#tokens / this.perSecond * 1_000);
  }

  /** Nothing would be lost if it were forgotten and made again. */
  get isIdle(): boolean {
    this.#fill();
    return this.#waiting.size === 0 && this.#tokens >= this.#burst;
  }

  /** How many wait for tokens. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** From now on nobody waits. */
  close(): void {
    this.#tokens = this.#burst = Infinity;
    this.#serve();
  }

  #fill(): void {
    const now = this.#now();
    const grown = this.#tokens + (now - this.#filledMs) * this.perSecond / 1_000;
    this.#tokens = Math.min(this.#burst, grown);
    this.#filledMs = now;
  }

  /** Each in turn, round after round, until nothing is left or nobody wants more. */
  #serve(): void {
    for (let served = true; served && this.#waiting.size > 0;) {
      this.#fill();
      const before = this.#tokens;
      for (const taker of [...this.#waiting]) {
        if (this.#tokens <= 0) break;
        this.#waiting.delete(taker);
        ByteRate.#turn = taker;
        try {
          taker.onTokens();
        } finally {
          ByteRate.#turn = undefined;
        }
      }
      served = this.#tokens < before;
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
