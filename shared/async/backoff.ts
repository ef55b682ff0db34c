/**
 * How long to wait before the next try: exponential, with full jitter.
 *
 *     wait = random(0, min(capMs, baseMs · 2ⁿ))        n = 0 for the first retry
 *
 * Full jitter spreads a crowd that lost its hub in the same instant over the whole interval;
 * a fixed part plus jitter would keep it together.
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @module
 */

/** Numbers of {@linkcode backoff}. */
export interface BackoffOptions {
  /**
   * Upper bound of the first wait in milliseconds.
   *
   * @default 500
   */
  readonly baseMs?: number;
  /**
   * Upper bound of every wait in milliseconds.
   *
   * @default 30_000
   */
  readonly capMs?: number;
  /**
   * A number in [0, 1). Replace it to make waits repeatable.
   *
   * @default Math.random
   */
  readonly random?: () => number;
}

/**
 * The wait before retry number `n`, in milliseconds.
 *
 * @param n Failures in a row so far, less one: 0 for the first retry.
 * @throws {RangeError} If `n` or a bound is negative or not a number.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { backoff } from "./backoff.ts";
 *
 * assert.equal(backoff(3, { random: () => 0.5 }), 2000);
 * ```
 */
export function backoff(n: number, options: BackoffOptions = {}): number {
  const { baseMs = 500, capMs = 30_000, random = Math.random } = options;
  if (!(n >= 0 && baseMs >= 0 && capMs >= 0)) {
    throw new RangeError(
      `Cannot compute a wait: n is ${n}, baseMs is ${baseMs}, capMs is ${capMs}`,
    );
  }
  // 2 ** 1024 is Infinity and Math.min still gives the cap; 0 · Infinity would not be a number.
  const bound = baseMs === 0 ? 0 : Math.min(capMs, baseMs * 2 ** n);
  return random() * bound;
}

/** Numbers of {@linkcode jittered}. */
export interface JitterOptions {
  /** By how much of itself the wait may be shorter or longer, from 0 to 1. */
  readonly share: number;
  /** @default Math.random */
  readonly random?: () => number;
}

/** A wait of about that long: waits that are the same for many, so that they do not end together. */
export function jittered(ms: number, { share, random = Math.random }: JitterOptions): number {
  return ms * (1 - share + 2 * share * random());
}
