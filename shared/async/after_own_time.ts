/**
 * A timer for what another program has to do in time.
 *
 * A process that stands still (a suspended machine, one that is overloaded) has heard nobody meanwhile. With
 * one timer, the first thing that it did afterwards would be to say that there was no answer, while the
 * answer lies in its socket. So the time is counted in parts: to stand still costs one of them, and in the
 * others it reads what has come.
 *
 * @module
 */
import { MAX_TIMER_MS } from "./delay.ts";

/** Standing still costs one of these. */
const PARTS = 10;

/**
 * Calls `fire` after this time, of which one standstill takes a tenth at most.
 *
 * @param ms At most `MAX_TIMER_MS` count.
 * @returns Stops it.
 */
export function afterOwnTime(ms: number, fire: () => void): () => void {
  const partMs = Math.min(Math.max(0, ms), MAX_TIMER_MS) / PARTS;
  let left = PARTS;
  const next = () => {
    if (left-- === 0) fire();
    else timer = setTimeout(next, partMs);
  };
  let timer: ReturnType<typeof setTimeout>;
  next();
  return () => clearTimeout(timer);
}
