/**
 * A bounded number of places that many want, so shared that none who takes all it can get shuts the
 * others out: each may have three times as many as are free.
 *
 *     alone                three quarters
 *     two at a time        three sevenths each, and a seventh is free
 *     one after the other  three quarters of what the ones before have left
 *
 * @module
 */

const TIMES_FREE = 3;

/** Whether somebody who has `own` places may have one of those that are free. */
export function isWithinShare(own: number, free: number): boolean {
  return own < TIMES_FREE * free;
}

/** Places that are shared. */
export interface Places {
  /**
   * Takes a place.
   *
   * @returns Disposing of it gives it back; `undefined` if there is none for this one.
   */
  take(who: string): Disposable | undefined;
}

/** Places that are counted for each owner, in one thread. */
export class FairShare implements Places {
  readonly #total: number;
  readonly #own = new Map<string, number>();
  #taken = 0;

  constructor(total: number) {
    this.#total = total;
  }

  take(who: string): Disposable | undefined {
    const own = this.#own.get(who) ?? 0;
    if (!isWithinShare(own, this.#total - this.#taken)) return undefined;
    this.#own.set(who, own + 1);
    this.#taken++;
    let given = true;
    return {
      [Symbol.dispose]: () => {
        if (given) this.#giveBack(who);
        given = false;
      },
    };
  }

  #giveBack(who: string): void {
    this.#taken--;
    const others = (this.#own.get(who) ?? 1) - 1;
    if (others > 0) this.#own.set(who, others);
    else this.#own.delete(who);
  }
}
