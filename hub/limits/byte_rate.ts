/**
 * How many bytes somebody may move in a second: a token bucket whose tokens are credit.
 *
 * Nobody is cut: who finds the bucket empty gets no WINDOW_UPDATE, waits in line, and is asked
 * again when there is some. What needs no credit (the first window of each stream) is booked all
 * the same, so that the bucket may owe; how long it will, `debtMs` tells.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";

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
  /** There may be some. A taker that still finds none waits again. What it throws is logged. */
  onTokens(): void;
}

/** Where tokens come in. */
export interface Bucket {
  /** Takes up to `most` whole tokens, if there are `least`. */
  take(most: number, least: number): number;
  /** Takes tokens that need not be there. Negative: tokens that come back. */
  charge(bytes: number): void;
  /** What is in it now; negative if it owes. */
  readonly tokens: number;
  /** After how long to look again for those who wait. */
  refillMs(): number;
}

export interface BucketOptions {
  readonly perSecond: number;
  /** Tokens of a full one. */
  readonly burst: number;
}

/** A bucket that nobody else takes from. */
class SoleBucket implements Bucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #filledMs: number;

  constructor({ perSecond, burst }: BucketOptions, now: () => number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#now = now;
    this.#filledMs = now();
  }

  take(most: number, least: number): number {
    if (this.tokens < least) return 0;
    const taken = Math.min(most, Math.floor(this.#tokens));
    this.#tokens -= taken;
    return taken;
  }

  charge(bytes: number): void {
    this.#tokens -= bytes;
  }

  refillMs(): number {
    return REFILL_MS;
  }

  get tokens(): number {
    const now = this.#now();
    const grown = this.#tokens + (now - this.#filledMs) * this.#perSecond / 1_000;
    this.#tokens = Math.min(this.#burst, grown);
    this.#filledMs = now;
    return this.#tokens;
  }
}

/** Guarantee: in any `t` seconds no more than `perSecond · t` and one burst are given as credit. */
export class ByteRate {
  readonly perSecond: number;
  readonly #burst: number;
  readonly #bucket: Bucket;
  readonly #waiting = new Set<Taker>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Tokens that were given, ever. */
  #given = 0;
  /** Whose turn it is: it may take before those who wait, here and in the other buckets it needs. */
  static #turn: Taker | undefined;

  /** @param bucket Makes the bucket. @default one of its own */
  constructor(perSecond: number, bucket: (options: BucketOptions) => Bucket = soleBucket()) {
    this.perSecond = perSecond;
    this.#burst = Math.max(MIN_BYTES_PER_S, perSecond * BURST_S);
    this.#bucket = bucket({ perSecond, burst: this.#burst });
  }

  /** Takes tokens for up to `bytes`; a taker that gets none is called when there are some. */
  take(bytes: number, taker: Taker): number {
    if (this.#closed) return bytes;
    const inLine = this.#waiting.size > 0 && ByteRate.#turn !== taker;
    const most = this.#waiting.size > 0 ? Math.min(bytes, TURN_BYTES) : bytes;
    const taken = inLine ? 0 : this.#bucket.take(most, Math.min(bytes, MIN_TAKE));
    this.#given += taken;
    if (taken === 0) this.wait(taker);
    return taken;
  }

  /** Has `taker` called when there are tokens. */
  wait(taker: Taker): void {
    this.#waiting.add(taker);
    this.#timer ??= setTimeout(() => this.#refill(), this.#bucket.refillMs());
  }

  /** Books bytes that were moved without having been asked for. Negative: tokens that come back. */
  charge(bytes: number): void {
    this.#bucket.charge(bytes);
  }

  /** How long until it owes nothing. */
  get debtMs(): number {
    return this.#closed ? 0 : Math.max(0, -this.#bucket.tokens / this.perSecond * 1_000);
  }

  /** Nothing would be lost if it were forgotten and made again. */
  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#bucket.tokens >= this.#burst;
  }

  /** How many wait for tokens. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** From now on nobody waits. */
  close(): void {
    this.#closed = true;
    this.#serve();
  }

  #refill(): void {
    this.#timer = undefined;
    this.#serve();
    if (this.#waiting.size > 0) {
      this.#timer ??= setTimeout(() => this.#refill(), this.#bucket.refillMs());
    }
  }

  /** Each in turn, round after round, until nothing is left or nobody wants more. */
  #serve(): void {
    for (let served = true; served && this.#waiting.size > 0;) {
      const before = this.#given;
      for (const taker of [...this.#waiting]) {
        if (!this.#closed && this.#bucket.tokens <= 0) break;
        this.#waiting.delete(taker);
        ByteRate.#turn = taker;
        try {
          taker.onTokens();
        } catch (error) {
          // A timer called: nobody else would catch it, and it would end the hub.
          getLogger(["hub", "limits"]).error("Cannot give bytes to a call: {error}", { error });
        } finally {
          ByteRate.#turn = undefined;
        }
      }
      served = this.#given > before;
    }
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** A bucket for one rate alone, by a clock in milliseconds that never goes back. */
export function soleBucket(
  now: () => number = () => performance.now(),
): (options: BucketOptions) => Bucket {
  return (options) => new SoleBucket(options, now);
}
