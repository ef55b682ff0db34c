/**
 * The stream ids that were added last: nobody can remember all.
 *
 * @module
 */

/** How many are remembered. */
export const MAX_RECENT_IDS = 1024;

/** A ring; made on first use, so that an idle connection pays nothing. */
export class RecentIds {
  #ring: Int32Array | undefined;
  #next = 0;

  /** Remembers an id in place of the oldest one. */
  add(id: number): void {
    this.#ring ??= new Int32Array(MAX_RECENT_IDS);
    this.#ring[this.#next] = id;
    this.#next = (this.#next + 1) % MAX_RECENT_IDS;
  }

  /** Whether an id (never 0) is remembered. */
  has(id: number): boolean {
    return this.#ring !== undefined && this.#ring.includes(id);
  }
}
