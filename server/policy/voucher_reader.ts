/**
 * Who calls on one tunnel, as its hub says under its signature.
 *
 * @module
 */
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { PublicKey } from "../../shared/vouchers/jws.ts";
import { readVoucher, type VouchedTunnel, type Voucher } from "../../shared/vouchers/voucher.ts";
import { ERROR_DOMAIN } from "./errors.ts";

/** Vouchers remembered on one tunnel; one more, and all are checked again. */
export const MAX_REMEMBERED_VOUCHERS = 1_000;

/** What a tunnel's vouchers are judged by. */
export interface ReaderOptions {
  readonly tunnel: VouchedTunnel;
  readonly keys: readonly PublicKey[];
  /** The hub's clock: by ours, a voucher could be over before it came. */
  readonly hubNowMs: () => number;
}

/** Of one tunnel. What it has read is remembered, for a hub sends the same again with each call. */
export class VoucherReader {
  readonly #options: ReaderOptions | undefined;
  readonly #problem: RpcError | undefined;
  readonly #read = new Map<string, Voucher>();

  /** @param options Or why nothing on this tunnel can be believed. */
  constructor(options: ReaderOptions | RpcError) {
    if (options instanceof RpcError) this.#problem = options;
    else this.#options = options;
  }

  /** Who calls, or why that is not known. */
  read(text: string | undefined): Voucher | RpcError {
    if (this.#options === undefined) return this.#problem!;
    if (text === undefined) {
      return refusal("VOUCHER_MISSING", "The hub did not vouch for who calls");
    }
    const voucher = this.#read.get(text) ?? this.#verify(text, this.#options);
    if (voucher instanceof RpcError) return voucher;
    const overMs = this.#options.hubNowMs() - voucher.expiresAtMs;
    if (overMs < 0) return voucher;
    return refusal(
      "VOUCHER_EXPIRED",
      `What the hub said of who calls was good until ${Math.ceil(overMs / 1000)} s ago`,
    );
  }

  #verify(text: string, { tunnel, keys }: ReaderOptions): Voucher | RpcError {
    let voucher: Voucher;
    try {
      voucher = readVoucher(text, { tunnel, keys });
    } catch (error) {
      const { message } = error as Error;
      return refusal("VOUCHER_WRONG", `What the hub said of who calls is not good: ${message}`);
    }
    if (this.#read.size >= MAX_REMEMBERED_VOUCHERS) this.#read.clear();
    this.#read.set(text, voucher);
    return voucher;
  }
}

function refusal(reason: string, message: string): RpcError {
  return new RpcError(Status.UNAUTHENTICATED, message, {
    details: [errorInfo(reason, ERROR_DOMAIN)],
  });
}
