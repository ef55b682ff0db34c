/**
 * The life of one call as its handler sees it: from the handler's start to its end.
 *
 * @module
 */
import { MAX_TIMER_MS } from "../async/delay.ts";
import type { ServerUnaryCall } from "@grpc/grpc-js";
import type { EventEmitter } from "node:events";
import { Duplex } from "node:stream";
import { CallMetadata } from "../grpc/call_metadata.ts";
import type { CallContext } from "../grpc/handlers.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { fromGrpcJs, toGrpcJs } from "./metadata.ts";

/** What the calls of all four kinds have in common. */
export type SurfaceCall =
  & Pick<
    ServerUnaryCall<unknown, unknown>,
    "cancelled" | "metadata" | "getDeadline" | "getPath" | "getPeer" | "sendMetadata"
  >
  & Pick<EventEmitter, "on" | "off">;

/** Timers fire early by as much, and so may a caller cancel at the deadline that it shares with us. */
const CLOCK_SLACK_MS = 5;

const NONE = new CallMetadata();

/** Holds the context and, until it is disposed of, the call's listener and timer. */
export class CallScope implements Disposable {
  readonly context: CallContext;
  readonly #call: SurfaceCall;
  readonly #controller = new AbortController();
  readonly #onCancelled = () => {
    this.#end(this.#reason());
    // Ends the iterator of the requests, which else waits for a caller who has gone.
    if (this.#call instanceof Duplex) this.#call.destroy();
  };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(call: SurfaceCall) {
    this.#call = call;
    const deadline = Number(call.getDeadline());
    let metadata: CallMetadata | undefined;
    this.context = {
      signal: this.#controller.signal,
      // Most handlers never look at it.
      get metadata() {
        return metadata ??= fromGrpcJs(call.metadata);
      },
      ...(Number.isFinite(deadline) ? { deadlineMs: deadline } : {}),
      peer: call.getPeer(),
      trailers: new CallMetadata(),
      sendHeaders: (metadata = NONE) => call.sendMetadata(toGrpcJs(metadata)),
    };
    call.on("cancelled", this.#onCancelled);
    // grpc-js sends the status at the deadline but, to a caller who reads nothing, reports it
    // only once the stream is flushed, which may be never.
    const leftMs = deadline - Date.now();
    // A call that may last 24.8 days has no timer.
    if (leftMs <= MAX_TIMER_MS) {
      this.#timer = setTimeout(this.#onCancelled, Math.max(0, leftMs));
    }
    if (call.cancelled) this.#onCancelled();
  }

  #reason(): RpcError {
    const { deadlineMs = Infinity } = this.context;
    return Date.now() >= deadlineMs - CLOCK_SLACK_MS
      ? new RpcError(Status.DEADLINE_EXCEEDED, "Deadline exceeded")
      : new RpcError(Status.CANCELLED, "Cancelled by the caller");
  }

  #end(reason: RpcError): void {
    clearTimeout(this.#timer);
    this.#call.off("cancelled", this.#onCancelled);
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#end(new RpcError(Status.CANCELLED, "The call has ended"));
  }
}
