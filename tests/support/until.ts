/**
 * Waiting for facts, with a deadline.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";

/**
 * Generous, for a loaded machine: only a fact that never comes waits this long. At a load of 40 a hub has
 * needed more than 90 s to start.
 */
export const PATIENCE_MS = 240_000;
/** Between the first looks at something that cannot tell by itself that it has changed. */
const MIN_PAUSE_MS = 20;
/** And between looks at what has not come for a while. */
const MAX_PAUSE_MS = 250;
/** Of the time waited so far. A look costs what the process that is waited for needs itself. */
const PAUSE_SHARE = 0.1;

/** How long to pause before the next look: what comes late is seen a tenth later at most. */
export function pauseMs(waitedMs: number): number {
  return Math.min(Math.max(MIN_PAUSE_MS, waitedMs * PAUSE_SHARE), MAX_PAUSE_MS);
}

/**
 * Looks until `look` finds something that is neither `undefined` nor `false`, and returns it.
 *
 * @param what Named in the error.
 * @throws {Error} If the fact has not come after {@linkcode PATIENCE_MS}.
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const beganMs = performance.now();
  while (true) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    const waitedMs = performance.now() - beganMs;
    if (waitedMs > PATIENCE_MS) throw new Error(`Waited ${PATIENCE_MS} ms in vain for ${what}`);
    await delay(pauseMs(waitedMs));
  }
}

/**
 * What `promise` gives, or an error that names what did not come.
 *
 * @throws {Error} If it has not settled after {@linkcode PATIENCE_MS}.
 */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`Waited ${PATIENCE_MS} ms in vain for ${what}`)),
    PATIENCE_MS,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
