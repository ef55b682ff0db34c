/**
 * A wait that can be called off.
 *
 * @module
 */

/** What a longer wait than this does to `setTimeout`: it fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Options of {@linkcode delay}. */
export interface DelayOptions {
  /** Calls the wait off. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Resolves after `ms` milliseconds; waits beyond 24.8 days are cut to that.
 *
 * @throws `signal.reason`, as soon as the signal fires.
 */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, Math.min(ms, MAX_TIMER_MS));
    signal?.addEventListener("abort", abort, { once: true });
  });
}
