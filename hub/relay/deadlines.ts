/**
 * When calls must end. One timer that looks at all of them: a timer per call would cost as much
 * as the call's way through the hub.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { SlotSet } from "../peer/slot_set.ts";

/** Deadlines are looked at this often; a call ends at most this much late. */
const LOOK_MS = 50;

/** Something that ends at its deadline. */
export interface Expiring {
  /** On the clock of `Deadlines`; written by it. */
  deadlineMs: number;
  /** Its place among all that have a deadline: −1 at first, and written by `Deadlines`. */
  deadlinePlace: number;
  /** What it throws is logged, and ends nobody else. */
  onDeadline(): void;
}

/** Guarantee: `onDeadline` is called once, never before the time, unless `remove` was faster. */
export class Deadlines {
  readonly #all = new SlotSet<"deadlinePlace", Expiring>("deadlinePlace");
  readonly #now: () => number;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param now A clock in milliseconds that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Deadlines that are waited for. */
  get count(): number {
    return this.#all.size;
  }

  /**
   * Adds a deadline, for what has none yet.
   *
   * @param atMs On the clock of the constructor.
   */
  add(expiring: Expiring, atMs: number): void {
    expiring.deadlineMs = atMs;
    this.#all.add(expiring);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
  }

  /** Takes a deadline out again, if it is still there. */
  remove(expiring: Expiring): void {
    this.#all.delete(expiring);
  }

  /** Stops the timer; what was added is never called. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#all.clear();
  }

  #look(): void {
    const now = this.#now();
    const due: Expiring[] = [];
    for (const expiring of this.#all.members) if (expiring.deadlineMs <= now) due.push(expiring);
    for (const expiring of due.sort((a, b) => a.deadlineMs - b.deadlineMs)) {
      // One by one: whoever ends may take others out that are due as well.
      if (!this.#all.has(expiring)) continue;
      this.#all.delete(expiring);
      expire(expiring);
    }
    if (this.#all.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function expire(expiring: Expiring): void {
  try {
    expiring.onDeadline();
  } catch (error) {
    getLogger(["hub", "deadlines"]).error("Cannot end what is overdue: {error}", { error });
  }
}
