/**
 * Whether something that is looked at again and again, and stays wrong, is worth another word.
 *
 * @module
 */

/** The same complaint is due again after this long. */
const AGAIN_MS = 60_000;

/** Options of {@linkcode Complaint}. */
export interface ComplaintOptions {
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
  /** Each time the same is said, it is due after twice as long, up to this. @default always a minute */
  readonly mostMs?: number;
}

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
  readonly #mostMs: number;
  #message: string | undefined;
  #saidMs = 0;
  #againMs = AGAIN_MS;

  constructor({ now = () => performance.now(), mostMs = AGAIN_MS }: ComplaintOptions = {}) {
    this.#now = now;
    this.#mostMs = mostMs;
  }

  /** Whether this is another message than the last one, or its time has come again; then it counts as said. */
  isDue(message: string): boolean {
    const now = this.#now();
    const same = message === this.#message;
    if (same && now - this.#saidMs < this.#againMs) return false;
    this.#againMs = same ? Math.min(2 * this.#againMs, this.#mostMs) : AGAIN_MS;
    this.#message = message;
    this.#saidMs = now;
    return true;
  }

  /** It is right again: whatever comes next is news. */
  settle(): void {
    this.#message = undefined;
  }
}
