/**
 * Where calls go: a tunnel, or the hub's own services.
 *
 * @module
 */
import type { PacedResets } from "./reset_pacer.ts";
import type { Side } from "./receive_budget.ts";
import type { TunnelVouchers } from "../access/vouchers.ts";

/** The hub is the HTTP/2 client of each of them. */
export interface Upstream {
  /** For messages: a server's name, or `hub`. */
  readonly name: string;
  /** Who answers, as the caller is told. */
  readonly hop: "hub" | "server";
  readonly side: Side;
  /** How its streams are reset. */
  readonly resets: PacedResets;
  /** Why it is gone; `undefined` while it is here. */
  readonly lost: string | undefined;
  /** Of a server that asked for them. */
  readonly vouchers?: TunnelVouchers | undefined;
  callsTotal: number;
}
