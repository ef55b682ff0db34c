/**
 * Properties are tried with the same values in each run, so that no run is red by luck. `deno task
 * test:fresh` draws others, and says how to play them again.
 *
 * @module
 */
import fc from "fast-check";

const VARIABLE = "GHUB_TEST_SEED";
const DEFAULT_SEED = 20_240_311;

/** Where every random value of this run comes from. */
export const SEED: number = readSeed(Deno.env.get(VARIABLE));

fc.configureGlobal({ seed: SEED });

/** fast-check with the run's seed. Tests take it from here and never from the package itself. */
export { fc };

function readSeed(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SEED;
  const seed = Number(text);
  if (!Number.isInteger(seed)) throw new TypeError(`${VARIABLE}="${text}" is no whole number`);
  return seed | 0;
}

/** Whole numbers below a bound that look random, the same for the same seed (mulberry32). */
export function randomFrom(seed: number = SEED): (below: number) => number {
  let state = seed;
  return (below) => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) % below;
  };
}
