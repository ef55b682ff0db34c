/**
 * What the hub itself does to a caller's stream, whether or not it is known yet who calls.
 *
 * @module
 */
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { LAST, type Stream } from "../../shared/http2/stream.ts";
import type { ReceiveBudget } from "../peer/receive_budget.ts";
import { errorBlock } from "./answer_headers.ts";

/** A stream of a caller, and what holds its bytes. */
export interface CallerStream {
  readonly near: Pick<ReceiveBudget, "connection">;
  readonly stream: Stream;
}

/**
 * Ends its answer with an error of the hub.
 *
 * @param forwarded Whether a server may have the call.
 * @param callId By which the audit has it. @default it has none
 */
export function answerError(
  { near: { connection }, stream }: CallerStream,
  error: RpcError,
  { forwarded, callId }: { readonly forwarded: boolean; readonly callId?: string | undefined },
): void {
  const block = errorBlock(error, {
    trailersOnly: !stream.headersSent,
    forwarded,
    callId,
    maxListBytes: connection.maxHeaderListBytes,
  });
  connection.headers(stream, block, LAST);
}

/** Tells a caller who has its whole answer that nobody hears what it still sends (RFC 9113 §8.1). */
export function stopSending({ connection }: CallerStream["near"], stream: Stream): void {
  if (stream.localEnd) connection.reset(stream, ErrorCode.NO_ERROR);
}

/** Why a call has ended whose caller's stream was reset. */
export function callerLeft(by: "peer" | "us"): string {
  return by === "peer" ? "The caller cancelled" : "The caller is gone, or broke HTTP/2";
}
