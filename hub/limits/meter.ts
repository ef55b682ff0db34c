/**
 * What the limits on bytes mean for one direction of one call: how much credit its sender may get,
 * and what is booked for whom. It is made only where such a limit is set.
 *
 *     Flow ──allow()──▶ Meter ──take()──▶ ByteRate of the operator, ByteRate of the server
 *       └────keeps()───▶    └──────────▶ Account of the operator: bytes the hub keeps for it
 *
 * @module
 */
import type { ByteRate, Taker } from "./byte_rate.ts";
import type { Account } from "./account.ts";
import { STREAM_BYTES } from "../peer/receive_budget.ts";

/** A sender gets credit for this part of a second's bytes in advance; at least a first window. */
const AHEAD_S = 0.25;

export interface MeterOptions {
  readonly account: Account;
  readonly rates: readonly ByteRate[];
  /** Bytes that the hub may keep for the operator. */
  readonly maxBufferedBytes: number;
}

function slowest(rates: readonly ByteRate[]): number {
  return Math.min(...rates.map(({ perSecond }) => perSecond));
}

/** Guarantee: after `end()` nothing is booked any more but what still comes. */
export class ByteMeter implements Taker {
  readonly #account: Account;
  readonly #rates: readonly ByteRate[];
  readonly #maxBufferedBytes: number;
  readonly #ahead: number;
  /** Credit that is paid for and not used. */
  #prepaid = 0;
  #passed = 0;
  #kept = 0;
  #wake: (() => void) | undefined;

  constructor({ account, rates, maxBufferedBytes }: MeterOptions) {
    this.#account = account;
    this.#rates = rates;
    this.#maxBufferedBytes = maxBufferedBytes;
    this.#ahead = Math.max(STREAM_BYTES, AHEAD_S * slowest(rates));
  }

  /**
   * How much more credit its sender may have, in addition to the `unused` that it has: in all twice what it
   * has sent, so that a short call reserves nothing; and a quarter of what the operator has left
   * of what may be kept, of which `held` is used (as `Side.share`).
   */
  room(unused: number, held: number): number {
    const ahead = Math.min(this.#ahead, Math.max(STREAM_BYTES, 2 * this.#passed));
    const left = this.#maxBufferedBytes - this.#account.bufferedBytes + this.#kept;
    return Math.floor(Math.min(ahead - unused, STREAM_BYTES + Math.max(0, left) / 4 - held));
  }

  /** Pays for credit, as far as there are tokens. */
  pay(bytes: number, wake: () => void): number {
    this.#wake = wake;
    let paid = bytes;
    for (const rate of this.#rates) {
      const taken = rate.take(paid, this);
      // What the rates before it have given in vain.
      for (const other of this.#rates) {
        if (other === rate) break;
        other.charge(taken - paid);
      }
      paid = taken;
      if (paid === 0) return 0;
    }
    this.#prepaid += paid;
    return paid;
  }

  /** Bytes have come in. */
  pass(bytes: number): void {
    this.#passed += bytes;
    const unpaid = bytes - this.#prepaid;
    this.#prepaid = Math.max(0, -unpaid);
    if (unpaid > 0) this.#charge(unpaid);
  }

  /** What the hub keeps for this direction now: bytes that wait, and credit beyond the first window. */
  keeps(queued: number, unused: number): void {
    const kept = queued + Math.max(0, unused - STREAM_BYTES);
    if (kept === this.#kept) return;
    this.#account.keep(kept - this.#kept);
    this.#kept = kept;
  }

  /** The sender sends no more: what was paid in advance comes back. */
  end(): void {
    if (this.#prepaid === 0) return;
    this.#charge(-this.#prepaid);
    this.#prepaid = 0;
  }

  /** Books bytes that have come in, and resolves when none of the rates owes. */
  async paid(bytes: number): Promise<void> {
    this.#charge(bytes);
    for (const rate of this.#rates) {
      while (rate.debtMs > 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          rate.wait(this);
        });
      }
    }
  }

  onTokens(): void {
    this.#wake?.();
  }

  #charge(bytes: number): void {
    for (const rate of this.#rates) rate.charge(bytes);
  }
}
