/**
 * How many tunnels may be opened per second, and when the others may come back.
 *
 * After a restart of the hub all its servers dial at once. Each handshake costs TLS, a credential
 * check and a registration; together they would keep the hub from serving those who are in
 * already. So a second has a number of places, and who finds none is told a second that has one:
 *
 *     arrives   1 … R      R+1 … 2R              2R+1 … 3R
 *     gets      in now     Retry-After: 1        Retry-After: 2      …
 *
 * Only those ask whose credential is good: a stranger takes no place and makes nobody wait. While
 * several entries of the auth file ask, none of them has more than its share of a second, and what
 * one of them asks too much moves its own return and nobody else's:
 *
 *     an entry's first wait     in one line with those of all others
 *     more before that is over  behind its own last one
 *
 * @module
 */
import { isWithinShare } from "../../shared/async/fair_share.ts";

/** The longest that a server is sent away for. */
export const MAX_RETRY_S = 120;

const SECOND_MS = 1_000;
/** How many places of a second may be promised; the others are for servers that come unasked. */
const PROMISED_SHARE = 0.8;
/** One that has not asked for this long is not there, and leaves its share to the others. */
const FORGET_MS = MAX_RETRY_S * SECOND_MS;

export interface AdmissionOptions {
  /** Tunnels that may be opened in any one second. */
  readonly perSecond: number;
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** Lets in `perSecond` tunnels in a second, and tells the others when there is room. */
export interface AdmissionRate {
  readonly perSecond: number;
  /**
   * `undefined` to come in, else the whole seconds after which to try again.
   *
   * @param who The entry of the auth file, or the token, whose server asks.
   */
  retryAfterS(who: string): number | undefined | Promise<number | undefined>;
}

/** Somebody who asks. */
interface Asker {
  /** Its admissions of the last second. */
  own: number;
  /** The last place that it was promised. */
  promisedMs: number;
  askedMs: number;
}

/** Guarantee: no second, wherever it begins, sees more than `perSecond` admissions. */
export class HandshakeRate implements AdmissionRate {
  readonly perSecond: number;
  readonly #now: () => number;
  /** The last `perSecond` admissions, as a ring: when each was, and whose. */
  readonly #times: Float64Array;
  readonly #whose: Asker[] = [];
  #next = 0;
  /** Those of them that are of the last second. */
  #taken = 0;
  /** By entry, who asked longest ago at the front: as many as the auth file has, at most. */
  readonly #askers = new Map<string, Asker>();
  /** The last place that was promised in the line of all. */
  #promisedMs = -Infinity;

  constructor({ perSecond, now = () => performance.now() }: AdmissionOptions) {
    this.perSecond = perSecond;
    this.#now = now;
    this.#times = new Float64Array(perSecond).fill(-Infinity);
  }

  retryAfterS(who: string): number | undefined {
    const nowMs = this.#now();
    this.#forget(nowMs);
    const asker = this.#asker(who, nowMs);
    const free = this.perSecond - this.#taken;
    if (free > 0 && (this.#askers.size === 1 || isWithinShare(asker.own, free))) {
      this.#times[this.#next] = nowMs;
      this.#whose[this.#next] = asker;
      this.#next = (this.#next + 1) % this.perSecond;
      this.#taken++;
      asker.own++;
      return undefined;
    }
    const stepMs = SECOND_MS / (this.perSecond * PROMISED_SHARE);
    const latestMs = nowMs + FORGET_MS;
    if (asker.promisedMs > nowMs) {
      asker.promisedMs = Math.min(asker.promisedMs + stepMs, latestMs);
    } else {
      this.#promisedMs = Math.min(Math.max(nowMs, this.#promisedMs) + stepMs, latestMs);
      asker.promisedMs = this.#promisedMs;
    }
    return Math.ceil((asker.promisedMs - nowMs) / SECOND_MS);
  }

  #asker(who: string, nowMs: number): Asker {
    const asker = this.#askers.get(who) ?? { own: 0, promisedMs: -Infinity, askedMs: nowMs };
    asker.askedMs = nowMs;
    this.#askers.delete(who);
    this.#askers.set(who, asker);
    return asker;
  }

  /** Admissions that are over a second ago count no more, nor do those who have not asked for long. */
  #forget(nowMs: number): void {
    for (; this.#taken > 0; this.#taken--) {
      const oldest = (this.#next + this.perSecond - this.#taken) % this.perSecond;
      if (nowMs - this.#times[oldest]! < SECOND_MS) break;
      this.#whose[oldest]!.own--;
    }
    for (const [who, { askedMs }] of this.#askers) {
      if (nowMs - askedMs < FORGET_MS) break;
      this.#askers.delete(who);
    }
  }
}
