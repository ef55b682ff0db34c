/**
 * A lock over all threads of a process: one word of memory that they share.
 *
 *     0 free    1 taken    2 taken, and somebody waits
 *
 * A thread that holds it does a microsecond of work and nothing else, so that no other one waits for
 * long. If the system takes its core from it meanwhile, the others sleep until it has gone on.
 *
 * @see https://www.akkadia.org/drepper/futex.pdf "Mutex, Take 2"
 * @module
 */

const FREE = 0;
const TAKEN = 1;
const WAITED_FOR = 2;

/** Looks at the word before a thread sleeps: as long as a short work of another core takes. */
const LOOKS = 100;

/** Guarantee: between `lock` and `unlock` of one thread, no other thread is there. */
export class SharedLock {
  readonly #words: Int32Array;
  readonly #at: number;

  /**
   * @param words In a SharedArrayBuffer; the same for all who use the lock.
   * @param at Which of the words.
   */
  constructor(words: Int32Array, at = 0) {
    this.#words = words;
    this.#at = at;
  }

  /** Not to be called by a thread that holds it. The next line is `try`, and `unlock` stands in its `finally`. */
  lock(): void {
    for (let look = 0; look < LOOKS; look++) {
      if (Atomics.compareExchange(this.#words, this.#at, FREE, TAKEN) === FREE) return;
    }
    while (Atomics.exchange(this.#words, this.#at, WAITED_FOR) !== FREE) {
      Atomics.wait(this.#words, this.#at, WAITED_FOR);
    }
  }

  unlock(): void {
    if (Atomics.exchange(this.#words, this.#at, FREE) === WAITED_FOR) {
      Atomics.notify(this.#words, this.#at, 1);
    }
  }
}
