/**
 * Where a connection to this process's gRPC server comes from, and so who calls on it. Asked for
 * each stream before gRPC looks at it: also for methods that there are not.
 *
 * | connection | who calls                                | the hub's own `ghub.v1.Tunnel` |
 * | ---------- | ---------------------------------------- | ------------------------------ |
 * | a tunnel   | each call says it: `x-hub-operator`, or, | answered                       |
 * |            | with a policy, the hub's voucher         |                                |
 * | raw        | whom the hub named when it was opened;   | refused                        |
 * |            | what a call in it says is replaced       |                                |
 *
 * @module
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { OPERATOR_FIELD, VOUCHER_FIELD } from "../../shared/vouchers/voucher.ts";
import { notForOperators } from "../policy/errors.ts";
import type { Guard, Guarded } from "../policy/guard.ts";
import type { VouchedCaller } from "../policy/policy_file.ts";

const TUNNEL_SERVICE = "/ghub.v1.Tunnel/";

/** Where a connection comes from, which decides who calls on it. */
export interface Origin {
  /**
   * Looks at a call that begins, and writes into its headers who it is.
   *
   * @returns Why it may not be made.
   */
  enter(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): RpcError | undefined;
}

/** A tunnel. @param guarded Without a policy, what the hub writes is believed. */
export function tunnelOrigin(guarded: Guarded | undefined): Origin {
  return {
    enter(stream, headers) {
      const path = pathOf(headers);
      if (guarded === undefined || path.startsWith(TUNNEL_SERVICE)) return undefined;
      const { guard, vouchers } = guarded;
      const voucher = headers[VOUCHER_FIELD];
      delete headers[VOUCHER_FIELD];
      const caller = vouchers.read(typeof voucher === "string" ? voucher : undefined);
      if (caller instanceof RpcError) return caller;
      headers[OPERATOR_FIELD] = caller.operator;
      return check(stream, { guard, caller, path });
    },
  };
}

/**
 * A raw connection.
 *
 * @param operator Who opened it.
 * @param guarded With a policy, the same with its proof.
 */
export function rawOrigin(
  operator: string,
  guarded?: { readonly guard: Guard; readonly caller: VouchedCaller },
): Origin {
  return {
    enter(stream, headers) {
      const path = pathOf(headers);
      // Or somebody could open a connection of another name within one's own.
      if (path.startsWith(TUNNEL_SERVICE)) return notForOperators(path);
      delete headers[VOUCHER_FIELD];
      headers[OPERATOR_FIELD] = operator;
      return guarded && check(stream, { ...guarded, path });
    },
  };
}

function check(
  stream: ServerHttp2Stream,
  { guard, caller, path }: { guard: Guard; caller: VouchedCaller; path: string },
): RpcError | undefined {
  const recheck = () => guard.refusal(caller, { upstream: "", path });
  const refusal = recheck();
  if (refusal !== undefined) return refusal;
  // gRPC over HTTP/2, "Errors": a caller reads this code as PERMISSION_DENIED.
  const end = () => stream.close(ErrorCode.INADEQUATE_SECURITY);
  const kept = guard.keep({ recheck, end });
  stream.once("close", () => kept[Symbol.dispose]());
  return undefined;
}

function pathOf(headers: IncomingHttpHeaders): string {
  return headers[":path"] ?? "";
}
