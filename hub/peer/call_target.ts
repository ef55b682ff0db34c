/**
 * Where calls go: a tunnel, a server that has its tunnel at another hub, or the hub's own services.
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

/** Who answers: `peer` is another hub, which tells in its answer whether it was itself or the server. */
export type TargetHop = "hub" | "server" | "peer";

/** Where another hub shall send a call: to this very tunnel or nowhere. */
export interface Forwarding {
  readonly server: string;
  /** Of the tunnel whose labels were judged. */
  readonly generation: number;
  /** The other hub's name, for messages. */
  readonly hub: string;
  /** The connection to it, as both hubs write it into their audit. */
  readonly link: string;
}

/** The hub is the HTTP/2 client of each of them. */
export interface CallTarget {
  /** For messages: a server's name, or `hub`. */
  readonly name: string;
  /** Who answers, as the caller is told. */
  readonly hop: TargetHop;
  readonly side: ReceiveBudget;
  /** How its streams are reset. */
  readonly resets: ResetPacer;
  /** Why it is gone; `undefined` while it is here. */
  readonly lost: string | undefined;
  /** Of a server that asked for them. */
  readonly vouchers?: VoucherSource | undefined;
  /** Of a server whose tunnel is at another hub. */
  readonly forwarding?: Forwarding | undefined;
  callsTotal: number;
}

/** A server's tunnel, here or at another hub, as calls go to it. */
export interface ServerTarget extends CallTarget {
  /** The tunnel's. */
  readonly id: string;
}
