/**
 * Slows down guesses of credentials: each address has a bucket of wrong ones.
 *
 *     a wrong credential takes one, a second gives one back
 *     empty: the answer "wrong" is held back, the longer the more of them came
 *     too many are held back: the next one is told at once to come back later
 *
 * Only what is wrong waits. Behind one address may be a whole site, and somebody there whose
 * credential is good must not be put off by a neighbour who guesses, or whose servers all have
 * yesterday's token. What makes guessing hopeless is the length of a token (`token_file.ts`).
 *
 * @module
 */
import type { SharedTally } from "../../shared/memory/shared_tally.ts";
import { networkOf } from "../net/network.ts";

/** Wrong credentials of an address that are answered at once. */
export const BURST = 100;
/** And then this many in a second. */
export const PER_SECOND = 1;
/** Addresses that are remembered; the one that failed longest ago is forgotten first. */
export const MAX_ADDRESSES = 10_000;
/** No answer is held back for longer: less than a handshake may take. */
export const MAX_HOLD_MS = 5_000;
/** Answers that are held back for one address at a time. */
export const MAX_HELD_PER_ADDRESS = 32;
/** And for all: they take a part of the handshakes that may be under way. */
export const MAX_HELD = 256;
/** Where all workers count in one memory, buckets that are full are not looked for sooner again. */
const FORGET_MS = 1_000;

/** What is counted by address. */
interface Guesses {
  /** A credential was wrong. @returns How many are still answered at once; below 0 time is owed. */
  take(network: string): number;
  /** Holds an answer back, if one more may be. */
  hold(network: string): Disposable | undefined;
}

interface Bucket {
  /** Wrong ones that are still answered at once, at `atMs`; below 0 they owe time. */
  left: number;
  atMs: number;
  /** Answers held back now. */
  held: number;
}

export interface ThrottleOptions {
  /** @default BURST */
  readonly burst?: number;
  /** @default MAX_ADDRESSES */
  readonly maxAddresses?: number;
  /** @default MAX_HELD_PER_ADDRESS */
  readonly maxHeld?: number;
  /** What other workers of this process count as well. @default it counts alone */
  readonly joint?: JointGuesses | undefined;
  /** @default performance.now */
  readonly now?: () => number;
}

/** What all workers of a process count together: the same as one loop, in memory that they share. */
export interface JointGuesses {
  /** When the bucket of an address will be full, by `performance.timeOrigin` and `now`. */
  readonly full: SharedTally;
  /** Answers that are held back, by address. */
  readonly held: SharedTally;
}

/** When the answer to a wrong credential is given. */
export type ThrottleAnswer =
  | { readonly answer: "now" }
  | { readonly answer: "later"; readonly waitMs: number; readonly until: Promise<void> }
  /** It is refused: how long its sender should wait. */
  | { readonly answer: "too many"; readonly waitMs: number };

/**
 * Delays the answers to wrong credentials, by the address that they come from. Disposing of it ends
 * all waits.
 */
export class Throttle implements Disposable {
  readonly #guesses: Guesses;
  /** Ends a wait early. */
  readonly #held = new Set<() => void>();

  constructor(options: ThrottleOptions = {}) {
    const { burst = BURST, maxHeld = MAX_HELD_PER_ADDRESS, joint } = options;
    this.#guesses = joint === undefined
      ? new OwnGuesses({ ...options, burst, maxHeld })
      : new GuessesOfAll(joint, { ...options, burst, maxHeld });
  }

  /** A credential from there was wrong. */
  failed(address: string): ThrottleAnswer {
    const network = networkOf(address);
    const left = this.#guesses.take(network);
    if (left >= 0) return { answer: "now" };
    const waitMs = Math.ceil(-left * 1000 / PER_SECOND);
    const place = this.#guesses.hold(network);
    if (place === undefined) return { answer: "too many", waitMs };
    return { answer: "later", waitMs, until: this.#hold(place, waitMs) };
  }

  [Symbol.dispose](): void {
    for (const end of this.#held) end();
  }

  #hold(place: Disposable, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#held.delete(end);
        place[Symbol.dispose]();
        resolve();
      };
      const timer = setTimeout(end, waitMs);
      this.#held.add(end);
    });
  }
}

/** Those of one loop. */
class OwnGuesses implements Guesses {
  readonly #buckets = new Map<string, Bucket>();
  readonly #burst: number;
  readonly #max: number;
  readonly #maxHeld: number;
  readonly #now: () => number;
  #held = 0;

  constructor(options: ThrottleOptions & { readonly burst: number; readonly maxHeld: number }) {
    this.#burst = options.burst;
    this.#max = options.maxAddresses ?? MAX_ADDRESSES;
    this.#maxHeld = options.maxHeld;
    this.#now = options.now ?? (() => performance.now());
  }

  take(network: string): number {
    const now = this.#now();
    // The same object for as long as it is remembered: answers that are held back count in it.
    const bucket = this.#buckets.get(network) ?? { left: this.#burst, atMs: now, held: 0 };
    this.#buckets.delete(network);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size >= this.#max) this.#buckets.delete(oldest);
    const saved = Math.min(this.#burst, bucket.left + (now - bucket.atMs) / 1000 * PER_SECOND);
    bucket.left = Math.max(-MAX_HOLD_MS / 1000 * PER_SECOND, saved - 1);
    bucket.atMs = now;
    this.#buckets.set(network, bucket);
    return bucket.left;
  }

  hold(network: string): Disposable | undefined {
    const bucket = this.#buckets.get(network)!;
    if (bucket.held >= this.#maxHeld || this.#held >= MAX_HELD) return undefined;
    bucket.held++;
    this.#held++;
    return {
      [Symbol.dispose]: () => {
        bucket.held--;
        this.#held--;
      },
    };
  }
}

/** Those of all workers. An address whose bucket is full again takes no place. */
class GuessesOfAll implements Guesses {
  readonly #joint: JointGuesses;
  readonly #burst: number;
  readonly #maxHeld: number;
  readonly #now: () => number;
  #forgetMs = -Infinity;

  constructor(
    joint: JointGuesses,
    options: ThrottleOptions & { readonly burst: number; readonly maxHeld: number },
  ) {
    this.#joint = joint;
    this.#burst = options.burst;
    this.#maxHeld = options.maxHeld;
    // The same clock in all threads.
    this.#now = options.now ?? (() => performance.timeOrigin + performance.now());
  }

  take(network: string): number {
    const now = this.#now();
    const { full } = this.#joint;
    if (full.size >= MAX_ADDRESSES && now >= this.#forgetMs) {
      this.#forgetMs = now + FORGET_MS;
      full.forget((fullAtMs) => fullAtMs <= now);
    }
    const mostMs = this.#burst * 1000 / PER_SECOND + MAX_HOLD_MS;
    const fullAtMs = full.update(
      network,
      (before) => Math.min(Math.max(now, before) + 1000 / PER_SECOND, now + mostMs),
    );
    return this.#burst - (fullAtMs - now) / 1000 * PER_SECOND;
  }

  hold(network: string): Disposable | undefined {
    const { held } = this.#joint;
    const isHeld = held.take(network, (own, all) => own < this.#maxHeld && all < MAX_HELD);
    return isHeld ? { [Symbol.dispose]: () => void held.add(network, -1) } : undefined;
  }
}
