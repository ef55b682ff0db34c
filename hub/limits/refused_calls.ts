/**
 * How many refused calls the hub answers before it ends the connection. A refusal costs the hub more
 * than its caller, who needs thirteen bytes to ask once more.
 *
 *     a connection   500 refused calls in a second   GOAWAY ENHANCE_YOUR_CALM
 *     an address   1 000 refused calls in a second   the same, at the next refused call
 *
 * Only refused calls count, and only they are refused: behind one address may be a whole site, and a
 * caller there with a good credential does not notice.
 *
 * @module
 */
import type { SharedTally } from "../../shared/memory/shared_tally.ts";
import { networkOf } from "../net/network.ts";
import { hostOf } from "../net/peer.ts";

/** Calls of one connection that are refused in a second. */
export const MAX_REFUSED_PER_CONNECTION = 500;
/** Calls of one address that are refused in a second, over all its connections. */
export const MAX_REFUSED_PER_ADDRESS = 1_000;
/** Addresses that are counted in a second; those that come then have one count together. */
export const MAX_REFUSED_ADDRESSES = 10_000;

const OTHERS = "";

/** Counts by address. */
export interface RefusedCallCount {
  /**
   * Counts a call that is refused.
   *
   * @param remoteAddress `host:port`.
   * @returns Whether there were too many from there.
   */
  isOneTooMany(remoteAddress: string): boolean;
  /** To be called once a second. */
  tick(): void;
}

/** The calls of one loop. */
export class RefusedCalls implements RefusedCallCount {
  readonly #counts = new Map<string, number>();

  isOneTooMany(remoteAddress: string): boolean {
    const network = networkOf(hostOf(remoteAddress));
    const isCounted = this.#counts.has(network) || this.#counts.size < MAX_REFUSED_ADDRESSES;
    const key = isCounted ? network : OTHERS;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return count > MAX_REFUSED_PER_ADDRESS;
  }

  /** Begins a new second. */
  tick(): void {
    this.#counts.clear();
  }
}

/** The calls of all workers of a process; a second begins for all of them together. */
export class JointRefusedCalls implements RefusedCallCount {
  readonly #counts: SharedTally;

  constructor(counts: SharedTally) {
    this.#counts = counts;
    this.tick();
  }

  isOneTooMany(remoteAddress: string): boolean {
    return this.#counts.add(networkOf(hostOf(remoteAddress)), 1) > MAX_REFUSED_PER_ADDRESS;
  }

  tick(): void {
    this.#counts.beginPeriod(Math.floor(Date.now() / 1_000));
  }
}
