/**
 * Did a failed call reach the server? The answer decides whether it may be repeated, so it errs on the
 * side of "perhaps".
 *
 * @module
 */
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { type StatusName, statusName } from "../../shared/grpc/status.ts";
import { HttpAnswerError } from "../../shared/grpc_client/failures.ts";
import { ProxyError } from "../../shared/net/proxy_error.ts";

/** Trailers in which the hub tells (docs/protocol.md, "Trailers"). */
const HOP = "x-hub-hop";
const FORWARDED = "x-hub-forwarded";
const CALL_ID = "x-hub-call-id";

/**
 * - `not-delivered`: certainly nothing happened; repeating is safe.
 * - `answered`: the server itself said no, or how it failed.
 * - `unknown`: it may have been carried out.
 */
export type Delivery = "not-delivered" | "answered" | "unknown";

/** Who said no: also the end of the way that was lost. */
export type Hop = "client → hub" | "proxy" | "hub" | "hub → server" | "server" | undefined;

/** What is known about a failed call in addition to its error. */
export interface Way {
  /** Was there ever a connection on which it could have been sent? */
  readonly connected: boolean;
  /**
   * Did the peer leave without looking at it? HTTP/2 tells that for certain (RFC 9113 §6.8).
   *
   * @default false
   */
  readonly refused?: boolean;
  /**
   * May an earlier try of the same call have been carried out?
   *
   * @default false
   */
  readonly perhapsBefore?: boolean;
}

/** Codes by which a server says no "no": that it ran out of time, was stopped, or failed somewhere. */
const UNDECIDED_CODES: ReadonlySet<StatusName> = new Set([
  "CANCELLED",
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
]);

/** Codes that gRPC itself makes when a connection breaks or time runs out. All others only a peer sends. */
const LOCAL_CODES: ReadonlySet<StatusName> = new Set([
  "CANCELLED",
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "RESOURCE_EXHAUSTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

export function deliveryOf(error: RpcError, way: Way): Delivery {
  const delivery = ofThisTry(error, way);
  return delivery === "not-delivered" && way.perhapsBefore ? "unknown" : delivery;
}

function ofThisTry(error: RpcError, { connected, refused = false }: Way): Delivery {
  if (!connected || refused) return "not-delivered";
  // A proxy that gave up may have passed it on before.
  if (error instanceof HttpAnswerError) return error.isRefusal ? "not-delivered" : "unknown";
  const code = statusName(error.code);
  if (trailer(error, HOP) === "server") return UNDECIDED_CODES.has(code) ? "unknown" : "answered";
  if (trailer(error, FORWARDED) === "0") return "not-delivered";
  if (trailer(error, FORWARDED) === "1") return "unknown";
  return LOCAL_CODES.has(code) ? "unknown" : "answered";
}

export function hopOf(error: RpcError, { connected }: Way): Hop {
  // What such an answer says of hops, no hub has said.
  if (error instanceof HttpAnswerError || error.cause instanceof ProxyError) return "proxy";
  const hop = trailer(error, HOP);
  if (hop === "server") return "server";
  if (hop === "hub") return trailer(error, FORWARDED) === "1" ? "hub → server" : "hub";
  return connected ? undefined : "client → hub";
}

/** By which the hub's audit has the call; `undefined` if no hub has told one. */
export function callIdOf(error: RpcError): string | undefined {
  return error instanceof HttpAnswerError ? undefined : trailer(error, CALL_ID);
}

function trailer(error: RpcError, name: string): string | undefined {
  return error.metadata?.get(name)[0]?.toString();
}
