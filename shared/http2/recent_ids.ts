/**
 * How the streams that closed last did so.
 *
 * A frame may reach us after we reset its stream: that is nobody's fault and is ignored. On a
 * stream that has ended it is an error (RFC 9113 §5.1, "closed"). Nobody can remember all
 * streams, so this remembers the last few.
 *
 * @module
 */

/** How many are remembered. */
const CAPACITY = 1024;

/** How a stream closed. */
export type HowClosed = "ended" | "reset";

/** A ring of ids; made on first use, so that an idle connection pays nothing. */
export class RecentIds {
  /** An id, negative if the stream was reset by us. */
  #ring: Int32Array | undefined;
  #next = 0;

  /** Remembers a stream in place of the oldest one. */
  add(id: number, how: HowClosed): void {
    this.#ring ??= new Int32Array(CAPACITY);
    this.#ring[this.#next] = how === "reset" ? -id : id;
    this.#next = (this.#next + 1) % CAPACITY;
  }

  /** How a stream closed; `undefined` if it is forgotten, or was never open. */
  get(id: number): HowClosed | undefined {
    if (this.#ring === undefined) return undefined;
    if (this.#ring.includes(-id)) return "reset";
    return this.#ring.includes(id) ? "ended" : undefined;
  }
}
