/**
 * A call whose credential another part still checks: nobody knows yet who calls.
 *
 *     authenticating ── who it is ──▶ RelayedCall, which gets what the caller has sent meanwhile
 *                    └─ refused, cancelled, too late ──▶ ended, and told as a refused call
 *
 * It has no identity, no server and no account: what those mean cannot be asked too early.
 *
 * @module
 */
import { ByteQueue } from "../../shared/bytes/byte_queue.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import type { Stream, StreamEvents } from "../../shared/http2/stream.ts";
import type { CallIdentity } from "../access/call_identity.ts";
import { deadlineError } from "./answer_headers.ts";
import { answerError, callerLeft, stopSending } from "./caller_stream.ts";
import type { Expiring } from "./deadlines.ts";
import { type IncomingCall, RelayedCall, type RelayedCallContext } from "./relayed_call.ts";

/** What is known of it. */
export type UnprovenHead = Omit<IncomingCall, "identity" | "startedMs">;

/** Options of {@linkcode UnprovenCall}. */
export interface UnprovenCallOptions {
  /** Whether the caller has sent all already. */
  readonly endStream: boolean;
  /** Called when it ends before it is known who calls. */
  readonly onRefused: (error: RpcError) => void;
}

/** A call whose caller is not known yet. It hears of the stream, also for the call that it becomes. */
export class UnprovenCall implements StreamEvents, Expiring {
  deadlineMs = 0;
  deadlinePlace = -1;
  readonly #context: RelayedCallContext;
  readonly #head: UnprovenHead;
  readonly #onRefused: (error: RpcError) => void;
  readonly #startedMs = performance.now();
  /** At most the stream's first window, for the caller gets no credit. */
  readonly #bytes = new ByteQueue();
  #isWhole: boolean;
  #isOver = false;
  #call: RelayedCall | undefined;

  constructor(context: RelayedCallContext, head: UnprovenHead, options: UnprovenCallOptions) {
    this.#context = context;
    this.#head = head;
    this.#isWhole = options.endStream;
    this.#onRefused = options.onRefused;
    const { timeoutMs } = head.head;
    if (timeoutMs !== undefined) context.deadlines.add(this, this.#startedMs + timeoutMs);
  }

  /** It has ended: who calls is of no interest any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * It is known who calls.
   *
   * @param go Sends the call on its way; `held` is what came meanwhile, for its `hold()`.
   */
  prove(
    identity: CallIdentity,
    go: (call: RelayedCall, held: { readonly bytes: ByteQueue; readonly ended: boolean }) => void,
  ): void {
    this.#context.deadlines.remove(this);
    const call = new RelayedCall(this.#context, {
      ...this.#head,
      identity,
      startedMs: this.#startedMs,
    });
    this.#call = call;
    call.watchDeadline();
    go(call, { bytes: this.#bytes, ended: this.#isWhole });
  }

  /** Ends it with an error of the hub. */
  refuse(error: RpcError): void {
    if (this.#isOver) return;
    answerError(this.#head, error, { forwarded: false });
    this.#end(error);
    this.#stopCaller();
  }

  onHeaders(stream: Stream, fields: HeaderList, endStream: boolean): void {
    // Trailers of a request mean nothing but its end: see RelayedCall.
    if (this.#call !== undefined) this.#call.onHeaders(stream, fields, endStream);
    else this.#isWhole = true;
  }

  onData(stream: Stream, piece: Uint8Array, endStream: boolean): void {
    if (this.#call !== undefined) return this.#call.onData(stream, piece, endStream);
    const { near } = this.#head;
    near.connection.consumed(piece.length);
    if (this.#isOver) return;
    this.#bytes.push(piece);
    near.heldBytes += piece.length;
    this.#isWhole ||= endStream;
  }

  onReset(stream: Stream, code: number, by: "peer" | "us"): void {
    if (this.#call !== undefined) return this.#call.onReset(stream, code, by);
    if (this.#isOver) return;
    this.#end(new RpcError(Status.CANCELLED, callerLeft(by)));
  }

  onCredit(stream: Stream, bytes: number): void {
    this.#call?.onCredit(stream, bytes);
  }

  onDrained(stream: Stream): void {
    if (this.#call !== undefined) this.#call.onDrained(stream);
    else this.#stopCaller();
  }

  onDeadline(): void {
    this.refuse(deadlineError(this.#head.head.timeoutMs, ""));
  }

  #end(error: RpcError): void {
    this.#isOver = true;
    this.#head.near.heldBytes -= this.#bytes.length;
    this.#bytes.drop(this.#bytes.length);
    this.#context.deadlines.remove(this);
    this.#onRefused(error);
  }

  #stopCaller(): void {
    if (this.#isOver) stopSending(this.#head.near, this.#head.stream);
  }
}
