/**
 * A wait for the end of something.
 *
 * @module
 */

/** Resolves when the signal fires, at once if it has fired already. Never rejects. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
