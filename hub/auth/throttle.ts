/**
 * Slows down who guesses credentials: each address has a bucket of wrong ones.
 *
 *     a wrong credential takes one, a second gives one back; empty: nothing from there is looked at
 *
 * The bucket is wide: behind one address may be a whole site whose servers all have yesterday's
 * token, and try once a minute. Connections that were let in before are not concerned.
 *
 * @module
 */

/** Wrong credentials that an address may send at once. */
export const BURST = 100;
/** And then this many in a second. */
export const PER_SECOND = 1;
/** Addresses that are remembered; the one that failed longest ago is forgotten first. */
export const MAX_ADDRESSES = 10_000;

interface Bucket {
  /** Wrong ones that are still allowed, at `atMs`. */
  left: number;
  atMs: number;
}

export interface ThrottleOptions {
  /** @default BURST */
  readonly burst?: number;
  /** @default MAX_ADDRESSES */
  readonly maxAddresses?: number;
  /** @default performance.now */
  readonly now?: () => number;
}

/** See the module's head. */
export class Throttle {
  readonly #buckets = new Map<string, Bucket>();
  readonly #burst: number;
  readonly #max: number;
  readonly #now: () => number;

  constructor(options: ThrottleOptions = {}) {
    this.#burst = options.burst ?? BURST;
    this.#max = options.maxAddresses ?? MAX_ADDRESSES;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Milliseconds until credentials from there are looked at again; 0: they are. */
  waitMs(address: string): number {
    const bucket = this.#buckets.get(networkOf(address));
    if (bucket === undefined) return 0;
    const left = this.#leftIn(bucket);
    return left >= 1 ? 0 : Math.ceil((1 - left) * 1000 / PER_SECOND);
  }

  /** A credential from there was wrong. */
  failed(address: string): void {
    const key = networkOf(address);
    const bucket = this.#buckets.get(key);
    const left = bucket === undefined ? this.#burst : this.#leftIn(bucket);
    this.#buckets.delete(key);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size >= this.#max) this.#buckets.delete(oldest);
    this.#buckets.set(key, { left: Math.max(0, left - 1), atMs: this.#now() });
  }

  #leftIn({ left, atMs }: Bucket): number {
    return Math.min(this.#burst, left + (this.#now() - atMs) / 1000 * PER_SECOND);
  }
}

/** Whoever has one IPv6 address has the 2⁶⁴ of its network. */
export function networkOf(address: string): string {
  const plain = address.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  const all = [...front, ...Array(missing).fill("0"), ...back];
  return all.slice(0, 4).map((part) => Number.parseInt(part, 16).toString(16)).join(":");
}
