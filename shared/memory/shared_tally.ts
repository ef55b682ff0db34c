/**
 * Numbers by name that all threads of a process share: a hash table in memory of theirs. A thread
 * that asks has its answer at once and exactly, without a message to another one.
 *
 *     header  lock │ names │ seed │ period │ sum of all numbers
 *     slots   hash of the name (64 bits) … │ number …
 *
 * A name whose number is 0 takes no place. Names themselves are not kept: two that have the same hash
 * would have one number together, of which the chance is nil as long as nobody knows the seed.
 *
 * @module
 */
import { SharedLock } from "./shared_lock.ts";

const HEADER_WORDS = 4;
const [LOCK, NAMES, SEED, PERIOD] = [0, 1, 2, 3] as const;
const HEADER_BYTES = HEADER_WORDS * Int32Array.BYTES_PER_ELEMENT + Float64Array.BYTES_PER_ELEMENT;
const SLOT_BYTES = 2 * Int32Array.BYTES_PER_ELEMENT + Float64Array.BYTES_PER_ELEMENT;
/** A name that finds no place is counted under this one, together with all others. */
const OTHERS = "";

/** Whether one more may be had by a name that has `own` of `all`. */
export type MayTake = (own: number, all: number) => boolean;

/** Memory for as many names as that at a time; it can be sent to other threads. */
export function tallyMemory(maxNames: number): SharedArrayBuffer {
  // A quarter of the slots stays empty, so that a search is short, and one is for all others.
  const slots = 2 ** Math.ceil(Math.log2((maxNames + 1) * 4 / 3));
  const memory = new SharedArrayBuffer(HEADER_BYTES + slots * SLOT_BYTES);
  const [seed = 0] = crypto.getRandomValues(new Int32Array(1));
  new Int32Array(memory)[SEED] = seed;
  return memory;
}

/** One thread's view of numbers that all share. Each method is one step for all other threads. */
export class SharedTally {
  readonly #header: Int32Array;
  readonly #sum: Float64Array;
  /** Two words for each slot: the hash, or zeros. */
  readonly #hashes: Int32Array;
  readonly #numbers: Float64Array;
  readonly #slots: number;
  readonly #lock: SharedLock;
  /** Of the name that is looked for. */
  #low = 0;
  #high = 0;

  /** @param memory Of `tallyMemory`. */
  constructor(memory: SharedArrayBuffer) {
    const slots = this.#slots = (memory.byteLength - HEADER_BYTES) / SLOT_BYTES;
    this.#header = new Int32Array(memory, 0, HEADER_WORDS);
    this.#sum = new Float64Array(memory, HEADER_WORDS * Int32Array.BYTES_PER_ELEMENT, 1);
    this.#numbers = new Float64Array(memory, HEADER_BYTES, slots);
    this.#hashes = new Int32Array(memory, HEADER_BYTES + this.#numbers.byteLength, 2 * slots);
    this.#lock = new SharedLock(this.#header, LOCK);
  }

  /** Adds one to a name's number, if it may. */
  take(name: string, mayTake: MayTake): boolean {
    this.#lock.lock();
    try {
      const slot = this.#slotOf(name);
      if (!mayTake(this.#numbers[slot]!, this.#sum[0]!)) return false;
      this.#put(slot, this.#numbers[slot]! + 1);
      return true;
    } finally {
      this.#lock.unlock();
    }
  }

  /** Adds to a name's number, or takes away. @returns Its number now. */
  add(name: string, count: number): number {
    this.#lock.lock();
    try {
      let slot = this.#slotOf(name);
      // What was counted for all others while there was no place for the name.
      if (count < 0 && this.#numbers[slot] === 0) slot = this.#find(OTHERS);
      const number = this.#numbers[slot]! + count;
      this.#put(slot, number);
      return number;
    } finally {
      this.#lock.unlock();
    }
  }

  /** Puts another number in the place of a name's, which `change` makes of it. @returns The new one. */
  update(name: string, change: (number: number) => number): number {
    this.#lock.lock();
    try {
      const slot = this.#slotOf(name);
      const number = change(this.#numbers[slot]!);
      this.#put(slot, number);
      return number;
    } finally {
      this.#lock.unlock();
    }
  }

  /** A name's number; 0 for one that has none. */
  of(name: string): number {
    this.#lock.lock();
    try {
      return this.#numbers[this.#slotOf(name)]!;
    } finally {
      this.#lock.unlock();
    }
  }

  /** The sum over all names. */
  get sum(): number {
    this.#lock.lock();
    try {
      return this.#sum[0]!;
    } finally {
      this.#lock.unlock();
    }
  }

  /** The largest number of a name. To be read now and then: it looks at each slot. */
  get most(): number {
    this.#lock.lock();
    try {
      return this.#numbers.reduce((a, b) => Math.max(a, b), 0);
    } finally {
      this.#lock.unlock();
    }
  }

  /** Names that have a number. */
  get size(): number {
    return Atomics.load(this.#header, NAMES);
  }

  /** Forgets all numbers when a period begins, whichever thread notices it first. */
  beginPeriod(period: number): void {
    if (Atomics.load(this.#header, PERIOD) === period) return;
    this.#lock.lock();
    try {
      if (this.#header[PERIOD] === period) return;
      this.#hashes.fill(0);
      this.#numbers.fill(0);
      this.#sum[0] = this.#header[NAMES] = 0;
      this.#header[PERIOD] = period;
    } finally {
      this.#lock.unlock();
    }
  }

  /** Forgets the names whose numbers are over. To be called now and then: it looks at each slot. */
  forget(isOver: (number: number) => boolean): void {
    this.#lock.lock();
    try {
      for (let slot = 0; slot < this.#slots;) {
        const number = this.#numbers[slot]!;
        if (number === 0 || !isOver(number)) slot++;
        // Another one may come to this slot: it is looked at as well.
        else this.#put(slot, 0);
      }
    } finally {
      this.#lock.unlock();
    }
  }

  /** Where a name is, or would be. Under the lock. */
  #slotOf(name: string): number {
    const slot = this.#find(name);
    const isHere = this.#hashes[2 * slot] !== 0;
    const isFull = this.#header[NAMES]! + 1 >= this.#slots * 3 / 4;
    return isHere || !isFull || name === OTHERS ? slot : this.#find(OTHERS);
  }

  #find(name: string): number {
    this.#hash(name);
    let slot = this.#low & this.#slots - 1;
    for (;; slot = slot + 1 & this.#slots - 1) {
      const low = this.#hashes[2 * slot]!;
      if (low === 0) return slot;
      if (low === this.#low && this.#hashes[2 * slot + 1] === this.#high) return slot;
    }
  }

  /** FNV-1a in two lanes, from a seed that nobody knows. */
  #hash(name: string): void {
    let low = this.#header[SEED]! ^ 0x811c9dc5 | 0;
    let high = this.#header[SEED]! ^ 0x2f0b4477 | 0;
    for (let at = 0; at < name.length; at++) {
      const unit = name.charCodeAt(at);
      low = Math.imul(low ^ unit, 0x01000193);
      high = Math.imul(high ^ unit, 0x5bd1e995);
      high ^= high >>> 15;
    }
    low ^= low >>> 16;
    // No hash is 0: that is an empty slot.
    this.#low = low === 0 ? 1 : low;
    this.#high = high;
  }

  /** Under the lock, for the name that was looked for last, or one that is there. */
  #put(slot: number, number: number): void {
    this.#sum[0] = this.#sum[0]! + number - this.#numbers[slot]!;
    const isHere = this.#hashes[2 * slot] !== 0;
    if (number === 0) {
      if (isHere) this.#remove(slot);
      return;
    }
    this.#numbers[slot] = number;
    if (isHere) return;
    this.#hashes[2 * slot] = this.#low;
    this.#hashes[2 * slot + 1] = this.#high;
    this.#header[NAMES] = this.#header[NAMES]! + 1;
  }

  /** Names after it move up, so that each is still found from the slot of its hash on. */
  #remove(slot: number): void {
    const mask = this.#slots - 1;
    let hole = slot;
    for (let at = hole + 1 & mask; this.#hashes[2 * at] !== 0; at = at + 1 & mask) {
      const home = this.#hashes[2 * at]! & mask;
      const isBetween = hole <= at ? hole < home && home <= at : hole < home || home <= at;
      if (isBetween) continue;
      this.#hashes[2 * hole] = this.#hashes[2 * at]!;
      this.#hashes[2 * hole + 1] = this.#hashes[2 * at + 1]!;
      this.#numbers[hole] = this.#numbers[at]!;
      hole = at;
    }
    this.#hashes[2 * hole] = this.#hashes[2 * hole + 1] = this.#numbers[hole] = 0;
    this.#header[NAMES] = this.#header[NAMES]! - 1;
  }
}
