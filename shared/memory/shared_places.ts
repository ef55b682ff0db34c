/**
 * The places of `FairShare`, shared by all threads of a process.
 *
 * @module
 */
import { isWithinShare, type Places } from "../async/fair_share.ts";
import type { MayTake, SharedTally } from "./shared_tally.ts";

/** Places that are counted for each owner, over all threads. */
export class SharedPlaces implements Places {
  readonly #tally: SharedTally;
  readonly #mayTake: MayTake;

  /** @param tally Of these places alone. */
  constructor(tally: SharedTally, total: number) {
    this.#tally = tally;
    this.#mayTake = (own, all) => isWithinShare(own, total - all);
  }

  take(who: string): Disposable | undefined {
    if (!this.#tally.take(who, this.#mayTake)) return undefined;
    let given = true;
    return {
      [Symbol.dispose]: () => {
        if (given) this.#tally.add(who, -1);
        given = false;
      },
    };
  }
}
