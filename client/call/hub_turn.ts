/**
 * Several hubs lead to the same servers: when the next one is asked, and which answer counts.
 *
 *     a cannot be reached, or drains       ─▶ b: nothing left this machine, or a did not look at it
 *     a: the server is not here, or away   ─▶ b: it may have its tunnel there
 *     a: no, or how the server failed      the answer
 *     a is lost while the call is open     unknown: never repeated
 *
 * @module
 */
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { deliveryOf, hopOf, type Way } from "./delivery.ts";
import { errorInfoOf, type MissedHub } from "./failure.ts";

/** What a hub says of a server that has no tunnel there. */
const NOT_THERE: ReadonlySet<string> = new Set(["SERVER_NOT_FOUND", "SERVER_OFFLINE"]);

/** Whether a hub has answered that the server is not there. */
export function isServerAway(error: RpcError, way: Way): boolean {
  return hopOf(error, way) === "hub" && NOT_THERE.has(errorInfoOf(error)?.reason ?? "");
}

/** Whether another hub may do better, and the call was certainly not delivered by this one. */
export function mayAskNext(error: RpcError, way: Way): boolean {
  if (deliveryOf(error, way) !== "not-delivered") return false;
  return error.code === Status.UNAVAILABLE || isServerAway(error, way);
}

/** The failure that tells most, the last of equal ones: what a hub said counts more than one that is away. */
export function mostTelling<T extends MissedHub>(missed: readonly T[]): T | undefined {
  const weightOf = ({ error, way }: MissedHub) => {
    const { connected, refused = false } = way;
    // In raw mode the handshake's answer comes before there is a connection.
    if ((!connected || refused) && hopOf(error, way) !== "hub") return 0;
    return error.code === Status.NOT_FOUND ? 1 : 2;
  };
  return missed.toSorted((a, b) => weightOf(a) - weightOf(b)).at(-1);
}
