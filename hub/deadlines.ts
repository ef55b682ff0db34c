/**
 * When calls must end. One timer for all of them: a timer per call would cost as much as the
 * call's way through the hub.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";

/** Deadlines are looked at this often; a call ends at most this much late. */
const SLOT_MS = 50;

/** Something that ends at its deadline. */
export interface Expiring {
  /** What it throws is logged, and ends nobody else. */
  onDeadline(): void;
}

/** Guarantee: `onDeadline` is called once, never before the time, unless `remove` was faster. */
export class Deadlines {
  readonly #slots = new Map<number, Set<Expiring>>();
  readonly #now: () => number;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** All slots below this one have been called. */
  #done = 0;

  /** @param now A clock in milliseconds that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Adds a deadline.
   *
   * @param atMs On the clock of the constructor.
   * @returns What `remove` takes.
   */
  add(expiring: Expiring, atMs: number): number {
    if (this.#slots.size === 0) this.#done = Math.floor(this.#now() / SLOT_MS);
    const slot = Math.max(Math.ceil(atMs / SLOT_MS), this.#done + 1);
    const set = this.#slots.get(slot);
    if (set === undefined) this.#slots.set(slot, new Set([expiring]));
    else set.add(expiring);
    this.#timer ??= setInterval(() => this.#run(), SLOT_MS);
    return slot;
  }

  /** Takes a deadline out again. */
  remove(expiring: Expiring, slot: number): void {
    const set = this.#slots.get(slot);
    if (set === undefined) return;
    set.delete(expiring);
    if (set.size === 0) this.#slots.delete(slot);
  }

  /** Stops the timer; what was added is never called. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#slots.clear();
  }

  #run(): void {
    const now = Math.floor(this.#now() / SLOT_MS);
    // After a suspended machine there may be fewer slots than time has passed.
    const due = now - this.#done > this.#slots.size
      ? [...this.#slots.keys()].filter((slot) => slot <= now).sort((a, b) => a - b)
      : Array.from({ length: now - this.#done }, (_, i) => this.#done + 1 + i);
    this.#done = Math.max(this.#done, now);
    for (const slot of due) {
      const set = this.#slots.get(slot);
      for (const expiring of set ?? []) {
        // One by one: whoever ends may take others out that are due as well.
        set?.delete(expiring);
        expire(expiring);
      }
      this.#slots.delete(slot);
    }
    if (this.#slots.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}

function expire(expiring: Expiring): void {
  try {
    expiring.onDeadline();
  } catch (error) {
    getLogger(["hub", "deadlines"]).error("Cannot end what is overdue: {error}", { error });
  }
}
