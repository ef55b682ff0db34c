/**
 * A call that failed, and what is known about it.
 *
 * @module
 */
import type protobuf from "protobufjs";
import type { google_rpc_ErrorInfo as ErrorInfo } from "../../shared/gen/types.ts";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { deliveryOf, type Way } from "./delivery.ts";
import { isIdempotent } from "./method_kind.ts";

/** A hub that did not take the call. */
export interface MissedHub {
  /** `host:port`. */
  readonly address: string;
  readonly error: RpcError;
  readonly way: Way;
}

/** What is known about a failed call. */
export interface CallFailure extends Way {
  /** As people call it: "fluentd.start". */
  readonly title: string;
  /** As given; the hub may have picked its only one. */
  readonly server: string | undefined;
  /** The flags that led to the hub, each with a blank before it: for a line to be copied. */
  readonly flags?: string;
  /** Of the hub, `host:port`. */
  readonly address: string;
  /** Other hubs that were asked, and did not take the call. @default none */
  readonly missed?: readonly MissedHub[] | undefined;
  readonly method: protobuf.Method;
  readonly error: RpcError;
  readonly secure: boolean;
  readonly hasToken: boolean;
  /** By which the server does it once, however often it is asked. */
  readonly requestId?: string | undefined;
  /**
   * Did its own user end it?
   *
   * @default false
   */
  readonly interrupted?: boolean;
}

/** A call failed whose answer is needed to go on. */
export class CallFailedError extends Error {
  override readonly name: string = "CallFailedError";
  readonly failure: CallFailure;

  constructor(failure: CallFailure) {
    super(failure.error.message);
    this.failure = failure;
  }
}

export const ERROR_INFO = "google.rpc.ErrorInfo";

/** The details of this type; they are what the peer says of its error in addition to the message. */
export function errorInfoOf(error: RpcError): ErrorInfo | undefined {
  return error.details.find(({ type }) => type === ERROR_INFO)?.value;
}

/** Is it safe to send the call once more? */
export function mayRepeat(failure: CallFailure): boolean {
  return deliveryOf(failure.error, failure) === "not-delivered" ||
    isIdempotent(failure.method) || failure.requestId !== undefined;
}
