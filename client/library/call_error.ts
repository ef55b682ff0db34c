/**
 * How a call of a program failed: the status, where, and whether anything may have happened.
 *
 * @module
 */
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { type StatusName, statusName } from "../../shared/grpc/status.ts";
import { type Delivery, deliveryOf, type Hop, hopOf, type Way } from "../call/delivery.ts";
import { type HubMetadata, toHubMetadata } from "./metadata.ts";

/** A detail of an error: a message of `google.rpc`, or of a type that only the program knows. */
export interface CallErrorDetail {
  /** Full name of its type, such as `google.rpc.ErrorInfo`. */
  readonly type: string;
  /** Its fields; its bytes, where the type is not known here. */
  readonly value: object;
}

/** A call that ended with a status other than OK. */
export class CallError extends Error {
  /** Always `CallError`. */
  override readonly name: string = "CallError";
  /** gRPC's status, such as `UNAVAILABLE`. */
  readonly status: StatusName;
  /** The same as a number, 1 to 16. */
  readonly code: number;
  /** Who said no: also the end of the way that was lost. `undefined` if nobody can tell. */
  readonly hop: Hop;
  /**
   * - `not-delivered`: certainly nothing happened; the call may be made again.
   * - `answered`: the server itself said no.
   * - `unknown`: it may have been carried out.
   */
  readonly delivery: Delivery;
  /** What the peer says in addition to the message. */
  readonly details: readonly CallErrorDetail[];
  /** The trailers that came. */
  readonly trailers: HubMetadata;

  /** Made by {@linkcode HubClient}. */
  constructor(error: RpcError, way: Way, trailers: HubMetadata = new Map()) {
    super(error.message, { cause: error });
    this.status = statusName(error.code);
    this.code = error.code;
    this.hop = hopOf(error, way);
    this.delivery = deliveryOf(error, way);
    this.details = error.details;
    this.trailers = trailers;
  }
}

/** The error that a program gets. */
export function toCallError(
  error: RpcError,
  way: Way,
  trailers: Parameters<typeof toHubMetadata>[0],
): CallError {
  return new CallError(error, way, toHubMetadata(trailers));
}
