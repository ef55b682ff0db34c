/**
 * Waiting for facts, with a deadline.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";

/** Generous, for a loaded machine: only a fact that never comes waits this long. */
export const PATIENCE_MS = 90_000;
/** Between two looks at something that cannot tell by itself that it has changed. */
const LOOK_EVERY_MS = 20;

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
  const deadline = Date.now() + PATIENCE_MS;
  while (true) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`Waited ${PATIENCE_MS} ms in vain for ${what}`);
    await delay(LOOK_EVERY_MS);
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
