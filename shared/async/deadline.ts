/**
 * A time limit for a promise that knows none.
 *
 * @module
 */
import { MAX_TIMER_MS } from "./delay.ts";

/** Options of {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Gives up earlier. */
  readonly signal?: AbortSignal | undefined;
  /**
   * What did not happen in time, for the error: "handshake".
   *
   * @default "operation"
   */
  readonly what?: string;
}

/** Something took longer than it may. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/**
 * The result of `promise`, if it comes within `ms` milliseconds. Giving up does not end what
 * the promise stands for: whoever started that must end it.
 *
 * @throws {TimeoutError} If it does not.
 * @throws `signal.reason`, as soon as the signal fires.
 */
export async function deadline<T>(
  promise: Promise<T>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<T> {
  const { signal, what = "operation" } = options;
  const { promise: limit, reject } = Promise.withResolvers<never>();
  // A rejection that loses the race must not count as unhandled.
  promise.catch(() => {});
  if (signal?.aborted) throw signal.reason;
  const abort = () => reject(signal?.reason);
  const timer = setTimeout(
    () => reject(new TimeoutError(`The ${what} took longer than ${ms} ms`)),
    Math.min(ms, MAX_TIMER_MS),
  );
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * Whether `promise` comes within `ms` milliseconds; for what may go on without it.
 *
 * @throws As the promise does, if it fails in that time; `signal.reason`, when the signal fires.
 */
export async function comesWithin(
  promise: Promise<unknown>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<boolean> {
  try {
    await deadline(promise, ms, options);
    return true;
  } catch (error) {
    if (error instanceof TimeoutError) return false;
    throw error;
  }
}
