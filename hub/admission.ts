/**
 * How many tunnels may be opened per second, and when those come back who were too many.
 *
 * After a restart of the hub all its servers dial at once. Each handshake costs TLS, a credential
 * check and a registration; together they would keep the hub from serving those who are in
 * already. So a second has a number of places, and who finds none is told a second that has one:
 *
 *     arrives   1 … R      R+1 … 2R              2R+1 … 3R
 *     gets      in now     Retry-After: 1        Retry-After: 2      …
 *
 * @module
 */

/** Tunnels that may be opened in any one second. */
export const MAX_HANDSHAKES_PER_S = 200;
/** The longest that a server is sent away for. */
export const MAX_RETRY_S = 120;

const SECOND_MS = 1_000;
/** Of the places of a second, these are promised; the others are for those who come unasked. */
const PROMISED_SHARE = 0.8;

export interface AdmissionOptions {
  /** @default MAX_HANDSHAKES_PER_S */
  readonly perSecond?: number;
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** Guarantee: no second, wherever it begins, sees more than `perSecond` admissions. */
export class Admission {
  readonly perSecond: number;
  readonly #now: () => number;
  /** When the last `perSecond` were admitted, as a ring. */
  readonly #times: Float64Array;
  #next = 0;
  /** The last place that was promised. */
  #promisedMs = -Infinity;

  constructor(
    { perSecond = MAX_HANDSHAKES_PER_S, now = () => performance.now() }: AdmissionOptions = {},
  ) {
    this.perSecond = perSecond;
    this.#now = now;
    this.#times = new Float64Array(perSecond).fill(-Infinity);
  }

  /** `undefined` to come in, else the whole seconds after which to try again. */
  retryAfterS(): number | undefined {
    const nowMs = this.#now();
    // The ring's next place holds the time of the admission that was `perSecond` ago.
    if (nowMs - this.#times[this.#next]! >= SECOND_MS) {
      this.#times[this.#next] = nowMs;
      this.#next = (this.#next + 1) % this.perSecond;
      return undefined;
    }
    const stepMs = SECOND_MS / (this.perSecond * PROMISED_SHARE);
    const latestMs = nowMs + MAX_RETRY_S * SECOND_MS;
    this.#promisedMs = Math.min(Math.max(nowMs, this.#promisedMs) + stepMs, latestMs);
    return Math.ceil((this.#promisedMs - nowMs) / SECOND_MS);
  }
}
