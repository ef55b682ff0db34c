/**
 * Whether something that is looked at again and again, and stays wrong, is worth another word.
 *
 * @module
 */

/** The same complaint is due again after this long. */
const AGAIN_MS = 60_000;

/**
 * One thing that may be wrong.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { Complaint } from "./complaint.ts";
 *
 * const complaint = new Complaint();
 * assert.ok(complaint.isDue("cannot read it"));
 * assert.ok(!complaint.isDue("cannot read it"));
 * assert.ok(complaint.isDue("cannot parse it"));
 * complaint.settle();
 * assert.ok(complaint.isDue("cannot parse it"));
 * ```
 */
export class Complaint {
  readonly #now: () => number;
  #message: string | undefined;
  #saidMs = 0;

  /** @param now A clock in milliseconds that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether this is another message than the last one, or a minute has passed; then it counts as said. */
  isDue(message: string): boolean {
    const now = this.#now();
    if (message === this.#message && now - this.#saidMs < AGAIN_MS) return false;
    this.#message = message;
    this.#saidMs = now;
    return true;
  }

  /** It is right again: whatever comes next is news. */
  settle(): void {
    this.#message = undefined;
  }
}
