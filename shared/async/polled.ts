/**
 * Something that is looked at again and again, one look at a time.
 *
 *     every `pollMs` ─▶ a look, if none is under way ─▶ a fault is told
 *     look() ─▶ waits for the one under way, looks ─▶ a fault is thrown
 *
 * @module
 */

/** Options of {@linkcode Polled}. */
export interface PolledOptions {
  readonly pollMs: number;
  /** Told of a fault that nobody else hears of. Must not throw. */
  readonly onFault: (error: Error) => void;
  /** Called after each look of its own, good or bad. @default nothing */
  readonly onPolled?: () => void;
}

/** Looks at something in the background, and when it is asked to. Disposing of it ends the former. */
export class Polled implements Disposable {
  readonly #load: () => Promise<boolean>;
  readonly #options: PolledOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #looking: Promise<boolean> | undefined;

  /** @param load Looks, and says whether it found something new. */
  constructor(load: () => Promise<boolean>, options: PolledOptions) {
    this.#load = load;
    this.#options = options;
    this.#timer = setInterval(() => void this.#poll(), options.pollMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /**
   * Looks now.
   *
   * @throws {Error} What the look throws.
   */
  async look(): Promise<boolean> {
    // Whoever else has waited may look now. That look has complained by itself.
    while (this.#looking !== undefined) await this.#looking.catch(() => {});
    this.#looking = this.#load();
    try {
      return await this.#looking;
    } finally {
      this.#looking = undefined;
    }
  }

  async #poll(): Promise<void> {
    if (this.#looking !== undefined) return;
    const { onFault, onPolled } = this.#options;
    try {
      await this.look();
    } catch (error) {
      onFault(error as Error);
    }
    onPolled?.();
  }
}
