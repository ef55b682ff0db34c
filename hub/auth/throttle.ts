/**
 * Slows down who guesses credentials: each address has a bucket of wrong ones.
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
  /** @default performance.now */
  readonly now?: () => number;
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
  readonly #buckets = new Map<string, Bucket>();
  readonly #burst: number;
  readonly #max: number;
  readonly #maxHeld: number;
  readonly #now: () => number;
  /** Ends a wait early. */
  readonly #held = new Set<() => void>();

  constructor(options: ThrottleOptions = {}) {
    this.#burst = options.burst ?? BURST;
    this.#max = options.maxAddresses ?? MAX_ADDRESSES;
    this.#maxHeld = options.maxHeld ?? MAX_HELD_PER_ADDRESS;
    this.#now = options.now ?? (() => performance.now());
  }

  /** A credential from there was wrong. */
  failed(address: string): ThrottleAnswer {
    const bucket = this.#take(networkOf(address));
    if (bucket.left >= 0) return { answer: "now" };
    const waitMs = Math.ceil(-bucket.left * 1000 / PER_SECOND);
    if (bucket.held >= this.#maxHeld || this.#held.size >= MAX_HELD) {
      return { answer: "too many", waitMs };
    }
    return { answer: "later", waitMs, until: this.#hold(bucket, waitMs) };
  }

  [Symbol.dispose](): void {
    for (const end of this.#held) end();
  }

  #take(network: string): Bucket {
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
    return bucket;
  }

  #hold(bucket: Bucket, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#held.delete(end);
        bucket.held--;
        resolve();
      };
      const timer = setTimeout(end, waitMs);
      this.#held.add(end);
      bucket.held++;
    });
  }
}
