/**
 * Where calls go: a tunnel, or the hub's own services.
 *
 * @module
 */
import type { ProofKind } from "../../shared/vouchers/voucher.ts";
import type { ResetPacer } from "./reset_pacer.ts";
import type { ReceiveBudget } from "./receive_budget.ts";

/** An operator for whom the hub can vouch. */
export interface Vouched {
  readonly name: string;
  readonly how: ProofKind;
  /** `Date.now()` at which its credential is no longer good. */
  readonly expiresAtMs?: number;
}

/** Who calls, signed for the server that asked for it. */
export interface VoucherSource {
  /** As it stands in a call's metadata. */
  of(operator: Vouched): string;
}

/** The hub is the HTTP/2 client of each of them. */
export interface CallTarget {
  /** For messages: a server's name, or `hub`. */
  readonly name: string;
  /** Who answers, as the caller is told. */
  readonly hop: "hub" | "server";
  readonly side: ReceiveBudget;
  /** How its streams are reset. */
  readonly resets: ResetPacer;
  /** Why it is gone; `undefined` while it is here. */
  readonly lost: string | undefined;
  /** Of a server that asked for them. */
  readonly vouchers?: VoucherSource | undefined;
  callsTotal: number;
}
