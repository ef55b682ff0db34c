/**
 * The bucket of a `ByteRate` that all workers of one process take from. It is one number: the time at
 * which the bucket will be full, by a clock that all threads have.
 *
 *     tokens = burst − (fullAt − now) · perSecond
 *
 * Each worker looks for those who wait there, and who looks takes all that has come in. So each look
 * comes after a random time: if all came after the same one, the worker that looks first would be the
 * first one each time, and the others would find nothing.
 *
 * @module
 */
import type { SharedTally } from "../../shared/memory/shared_tally.ts";
import { type Bucket, type BucketOptions, REFILL_MS } from "./byte_rate.ts";

/** See the module. */
export class JointBucket implements Bucket {
  readonly #tally: SharedTally;
  readonly #name: string;
  readonly #perMs: number;
  readonly #burst: number;
  readonly #now: () => number;

  constructor(
    tally: SharedTally,
    name: string,
    { perSecond, burst }: BucketOptions,
    now: () => number = JointBucket.now,
  ) {
    this.#tally = tally;
    this.#name = name;
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#now = now;
  }

  /** The same in all threads, and never set back while they run. */
  static now(): number {
    return performance.timeOrigin + performance.now();
  }

  take(most: number, least: number): number {
    const now = this.#now();
    let taken = 0;
    this.#tally.update(this.#name, (fullAtMs) => {
      const from = Math.max(now, fullAtMs);
      const tokens = this.#burst - (from - now) * this.#perMs;
      if (tokens < least) return fullAtMs;
      taken = Math.min(most, Math.floor(tokens));
      return from + taken / this.#perMs;
    });
    return taken;
  }

  charge(bytes: number): void {
    const now = this.#now();
    this.#tally.update(this.#name, (fullAtMs) => {
      const next = Math.max(now, fullAtMs) + bytes / this.#perMs;
      // Full: the same as if it were not there.
      return next <= now ? 0 : next;
    });
  }

  refillMs(): number {
    return REFILL_MS * (0.5 + Math.random());
  }

  get tokens(): number {
    const now = this.#now();
    return this.#burst - Math.max(0, this.#tally.of(this.#name) - now) * this.#perMs;
  }
}
