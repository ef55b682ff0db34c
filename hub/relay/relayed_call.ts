/**
 * One call on its way: a stream on the caller's connection, joined with one on a tunnel.
 *
 *     caller ──HEADERS, DATA──▶ near │ far ──▶ server        #up
 *     caller ◀─HEADERS, DATA─── near │ far ◀── server        #down
 *
 * | what happens                     | the caller gets                        | the server gets |
 * | -------------------------------- | -------------------------------------- | --------------- |
 * | server answers                   | its answer, with `x-hub-hop: server`   | –               |
 * | … while the caller still sends   | the same, then RST NO_ERROR (§8.1)     | RST NO_ERROR    |
 * | server resets                    | trailers by `resetError`               | –               |
 * | server breaks HTTP/2             | trailers by `brokenError`              | RST             |
 * | tunnel is lost                   | `UNAVAILABLE`, outcome unknown         | –               |
 * | server goes away before the call | `UNAVAILABLE`, not delivered           | –               |
 * | server takes no more calls       | `UNAVAILABLE`, not delivered           | –               |
 * | metadata too large for a server  | `RESOURCE_EXHAUSTED`, not delivered    | –               |
 * | answer's too large for a caller  | `RESOURCE_EXHAUSTED`                   | RST CANCEL      |
 * | caller cancels or is lost        | –                                      | RST CANCEL      |
 * | deadline                         | `DEADLINE_EXCEEDED`                    | RST CANCEL      |
 *
 * @module
 */
import { ByteQueue } from "../../shared/bytes/byte_queue.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusCode } from "../../shared/grpc/status.ts";
import { formatTimeout } from "../../shared/grpc/timeout.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { type HeaderList, headerListBytes } from "../../shared/http2/header_list.ts";
import { LAST, type Stream, type StreamEvents } from "../../shared/http2/stream.ts";
import type { KnownCaller } from "../auth/identity.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import type { Account } from "../limits/account.ts";
import { Direction } from "./direction.ts";
import {
  answerBlock,
  answerTooLargeError,
  brokenError,
  busyError,
  deadlineError,
  type ForwardedOutcome,
  forwardedOutcomeOf,
  HOP_LIST_BYTES,
  lostError,
  resetError,
  serverOf,
  statusOf,
  tooLargeError,
} from "./answer_headers.ts";
import { answerError, callerLeft, stopSending } from "./caller_stream.ts";
import type { CallHeaders } from "../access/call_head.ts";
import type { ReceiveBudget } from "../peer/receive_budget.ts";
import type { CallTarget } from "../peer/call_target.ts";
import type { CallIdentity } from "../access/call_identity.ts";
import type { ByteMeter } from "../limits/meter.ts";

/** A call that waits for its server. */
interface Held {
  readonly abort: AbortController;
  /** What the caller has sent meanwhile: at most its first window, for it gets no credit. */
  readonly bytes: ByteQueue;
  ended: boolean;
}

const NOTHING = new Uint8Array();

/** No header list that the hub sends on is larger, so a peer that takes as much needs no look at it. */
const MAX_HEADER_LIST_BYTES = 40 << 10;

/** Where a call stands of which it is known who calls: docs/lifecycle.md, "Call". */
export type CallState = "arrived" | "waiting" | "forwarded" | "ended";

/** A caller's stream, and what the hub knows of it. */
export interface IncomingCall {
  readonly near: ReceiveBudget;
  readonly stream: Stream;
  readonly head: CallHeaders;
  readonly identity: CallIdentity;
  readonly remoteAddress: string;
  /** The other hub that forwards it, and on which connection: `name/link`. @default none, a caller of ours */
  readonly from?: string | undefined;
  /** When its headers came, on `performance.now()`'s clock. @default now */
  readonly startedMs?: number;
}

/** Is told what becomes of calls. */
export interface CallObserver {
  /** Called for each call whose caller was let in, when it is known where it goes. */
  callStarted?(call: RelayedCall): void;
  /** Called once for each call: how it ended is known. */
  callEnded?(call: RelayedCall, status: StatusCode, reason: string): void;
  /** Called once for each call, then or later: nothing waits any more for its caller to read. */
  callLeft?(call: RelayedCall): void;
}

/** What a call needs of the hub. */
export interface RelayedCallContext {
  /** Gives the id of a call that has failed. */
  nextId(): string;
  readonly deadlines: Deadlines;
  /** Are told in this order. */
  readonly observers: readonly CallObserver[];
  readonly limits: {
    /** What limits the bytes of one direction of a call; `undefined` if nothing does. */
    meterOf(call: RelayedCall): ByteMeter | undefined;
  };
}

/** Guarantee: `callEnded`, then `callLeft` is told once, whatever happens in whatever order. */
export class RelayedCall implements StreamEvents, Expiring {
  readonly head: CallHeaders;
  readonly identity: CallIdentity;
  readonly remoteAddress: string;
  readonly startedMs: number;
  bytesUp = 0;
  bytesDown = 0;
  /** Name of the server, once it is known. */
  server = "";
  /** The id of a call that has failed. The audit makes the id of any other call when that ends. */
  id: string | undefined;
  /** Whom this call counts for, once it is let in. */
  account: Account | undefined;
  deadlineMs = 0;
  deadlinePlace = -1;
  admission: KnownCaller | undefined;
  livePlace = -1;
  readonly #context: RelayedCallContext;
  readonly #near: ReceiveBudget;
  readonly #nearStream: Stream;
  readonly #from: string | undefined;
  /** These four are there from the moment in which the call is forwarded. */
  #upstream: CallTarget | undefined;
  #farStream: Stream | undefined;
  #up: Direction | undefined;
  #down: Direction | undefined;
  #held: Held | undefined;
  /** Only of a call that another hub takes further. */
  #outcome: ForwardedOutcome = "stopped";
  #ended = false;
  #left = false;

  constructor(context: RelayedCallContext, call: IncomingCall) {
    this.#context = context;
    this.#near = call.near;
    this.#nearStream = call.stream;
    this.#from = call.from;
    this.head = call.head;
    this.identity = call.identity;
    this.remoteAddress = call.remoteAddress;
    this.startedMs = call.startedMs ?? performance.now();
  }

  get state(): CallState {
    if (this.#ended) return "ended";
    if (this.#farStream !== undefined) return "forwarded";
    return this.#held === undefined ? "arrived" : "waiting";
  }

  /** Another hub has forwarded it. */
  get isForwarded(): boolean {
    return this.#from !== undefined;
  }

  /** Which call of which other hub it is, as that one's `via` tells; `undefined` for a caller of ours. */
  get from(): string | undefined {
    return this.#from === undefined ? undefined : `${this.#from}-${this.#nearStream.id}`;
  }

  /** Which call at which other hub it became; `undefined` if it did not leave this one for another. */
  get via(): string | undefined {
    const forwarding = this.#upstream?.forwarding;
    if (forwarding === undefined) return undefined;
    return `${forwarding.hub}/${forwarding.link}-${this.#farStream!.id}`;
  }

  /** What became of it at another hub, to be asked at its end; `undefined` if it did not leave this one for another. */
  get forwardedOutcome(): ForwardedOutcome | undefined {
    return this.#upstream?.hop === "peer" ? this.#outcome : undefined;
  }

  /** Starts the call's deadline. */
  watchDeadline(): void {
    const { timeoutMs } = this.head;
    if (timeoutMs === undefined) return;
    this.#context.deadlines.add(this, this.startedMs + timeoutMs);
  }

  /** Opens the call's stream on a tunnel. */
  forward(upstream: CallTarget, endStream: boolean): void {
    this.#open(upstream, this.#blockFor(upstream), endStream);
  }

  /**
   * Waits for the server, then forwards.
   *
   * @param wait Its signal fires when the call has ended meanwhile.
   * @param came `ended`: the caller has sent all. `bytes`: what it has sent, and what the near side has
   *     booked already.
   */
  hold(
    wait: (signal: AbortSignal) => Promise<CallTarget>,
    { ended, bytes = new ByteQueue() }: { readonly ended: boolean; readonly bytes?: ByteQueue },
  ): void {
    const abort = new AbortController();
    const held: Held = { abort, bytes, ended };
    this.#held = held;
    wait(abort.signal).then((upstream) => this.#release(held, upstream)).catch((error) => {
      // Otherwise it is we who ended the wait, and the caller knows.
      if (!this.#ended) this.fail(RpcError.from(error));
    });
  }

  /** Ends the call with an error of the hub. */
  fail(error: RpcError, { forwarded = this.#farStream !== undefined } = {}): void {
    const callId = this.id = this.#context.nextId();
    answerError({ near: this.#near, stream: this.#nearStream }, error, { forwarded, callId });
    this.#endFar(ErrorCode.CANCEL);
    // The audit says for which server a call was that was not let through.
    if (this.account === undefined && this.server === "") this.server = serverOf(error);
    this.#end(error.code, error.message);
  }

  // ---- StreamEvents, of both streams

  onHeaders(stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (stream === this.#nearStream) return this.#onRequestTrailers();
    const { side, hop } = this.#upstream!;
    const repeated = side.connection.fieldsRepeated;
    const { maxHeaderListBytes: max } = this.#near.connection;
    if (max < MAX_HEADER_LIST_BYTES) {
      const bytes = headerListBytes(fields) + HOP_LIST_BYTES;
      if (bytes > max) return this.fail(answerTooLargeError(this.server, { bytes, max }));
    }
    const status = endStream ? statusOf(fields) : Status.OK;
    if (status !== Status.OK) this.id = this.#context.nextId();
    const block = answerBlock(fields, { endStream, repeated, hop, callId: this.id });
    this.#near.connection.headers(this.#nearStream, block, endStream);
    if (!endStream) return;
    if (hop === "peer") this.#outcome = forwardedOutcomeOf(fields);
    this.#answered(status, "");
  }

  onData(stream: Stream, piece: Uint8Array, endStream: boolean): void {
    if (stream === this.#farStream) {
      this.bytesDown += piece.length;
      this.#down!.pass(piece, endStream);
      if (!endStream) return;
      this.#outcome = "unknown";
      return this.#answered(Status.UNKNOWN, "The server ended without a status");
    }
    this.bytesUp += piece.length;
    if (this.#up !== undefined) return this.#up.pass(piece, endStream);
    this.#near.connection.consumed(piece.length);
    if (this.#held === undefined) return; // It has failed before it was forwarded.
    this.#held.bytes.push(piece);
    this.#near.heldBytes += piece.length;
    this.#held.ended ||= endStream;
  }

  onReset(stream: Stream, code: number, by: "peer" | "us"): void {
    if (stream === this.#nearStream) {
      this.#endFar(ErrorCode.CANCEL);
      this.#end(Status.CANCELLED, callerLeft(by));
    } else if (!this.#ended) {
      this.fail(...this.#farLost(code, by));
    } else {
      this.#update();
    }
  }

  onCredit(stream: Stream, bytes: number): void {
    (stream === this.#nearStream ? this.#down : this.#up)?.credit(bytes);
  }

  onDrained(stream: Stream): void {
    if (stream === this.#nearStream) {
      this.#stopCaller();
      this.#leave();
    }
    this.#update();
  }

  // ---- Expiring

  onDeadline(): void {
    const { timeoutMs } = this.head;
    this.fail(deadlineError(timeoutMs, this.server));
  }

  /** The call's head as it is sent there. @param timeout What is left of its time, if it had to wait. */
  #blockFor({ vouchers, forwarding }: CallTarget, timeout?: string): Uint8Array {
    const { head, identity } = this;
    const voucher = vouchers?.of(identity);
    if (timeout !== undefined) {
      return head.blockWithTimeout(identity, { voucher, timeout, forwarding });
    }
    return forwarding === undefined
      ? head.block(identity, voucher)
      : head.blockForPeer(identity, forwarding);
  }

  #open(upstream: CallTarget, block: Uint8Array, endStream: boolean): void {
    const near = this.#near;
    const far = upstream.side;
    if (!far.connection.canRequest || far.isFull || upstream.resets.isFullFor(this.identity.name)) {
      return this.fail(busyError(upstream.name));
    }
    const tooLarge = this.#tooLargeFor(upstream);
    if (tooLarge !== undefined) return this.fail(tooLarge);
    const farStream = far.connection.request(block, endStream, this);
    upstream.callsTotal++;
    this.#upstream = upstream;
    this.#farStream = farStream;
    const { limits } = this.#context;
    this.#up = new Direction(
      near.connection,
      this.#nearStream,
      far,
      farStream,
      limits.meterOf(this),
    );
    this.#down = new Direction(
      far.connection,
      farStream,
      near,
      this.#nearStream,
      limits.meterOf(this),
    );
  }

  /** Why the call's metadata cannot be sent there. Most peers take more than the hub does. */
  #tooLargeFor({ name, side, vouchers }: CallTarget): RpcError | undefined {
    const { maxHeaderListBytes: max, settingsReceived } = side.connection;
    if (max >= MAX_HEADER_LIST_BYTES) return undefined;
    const bytes = this.head.listBytes(this.identity, vouchers?.of(this.identity));
    if (bytes <= max) return undefined;
    return settingsReceived ? tooLargeError(name, { bytes, max }) : busyError(name);
  }

  /**
   * Request trailers mean nothing in gRPC; they end the request all the same. They are not sent on:
   * grpc-go ends the whole connection for them, with the calls of everybody, and a server that reads
   * them might take an `x-hub-operator` there for the hub's.
   */
  #onRequestTrailers(): void {
    if (this.#held !== undefined) this.#held.ended = true;
    if (this.#farStream === undefined) return;
    this.#upstream!.side.connection.data(this.#farStream, NOTHING, LAST);
    this.#update();
  }

  #release(held: Held, upstream: CallTarget): void {
    if (this.#held !== held) return;
    this.#held = undefined;
    this.#near.heldBytes -= held.bytes.length;
    const { timeoutMs } = this.head;
    const left = timeoutMs === undefined
      ? undefined
      : Math.max(0, timeoutMs - (performance.now() - this.startedMs));
    const timeout = left === undefined ? undefined : formatTimeout(left);
    this.#open(upstream, this.#blockFor(upstream, timeout), held.ended && held.bytes.length === 0);
    if (this.#farStream === undefined) return;
    const { connection } = upstream.side;
    while (held.bytes.length > 0) {
      const piece = held.bytes.peek(Infinity);
      connection.data(this.#farStream, piece, held.ended && piece.length === held.bytes.length);
      held.bytes.drop(piece.length);
    }
    this.#update();
  }

  /** The server has answered: in gRPC that is the end of the call, whatever the caller still sends. */
  #answered(status: StatusCode, reason: string): void {
    if (!this.#farStream!.localEnd) this.#endFar(ErrorCode.NO_ERROR);
    this.#end(status, reason);
  }

  /** The call is over for the server. */
  #endFar(code: number): void {
    if (this.#held !== undefined) {
      this.#near.heldBytes -= this.#held.bytes.length;
      this.#held.abort.abort(new RpcError(Status.CANCELLED, "The call has ended"));
      this.#held = undefined;
    }
    if (this.#farStream !== undefined) {
      this.#upstream!.resets.reset(this.#farStream, code, this.identity.name);
    }
  }

  #stopCaller(): void {
    if (this.#ended) stopSending(this.#near, this.#nearStream);
  }

  /** What a reset of the server's stream means. */
  #farLost(code: number, by: "peer" | "us"): [RpcError, { forwarded: boolean }] {
    const { name, lost, forwarding } = this.#upstream!;
    this.#outcome = "unknown";
    if (lost !== undefined) return [lostError(name, lost, forwarding), { forwarded: true }];
    if (by === "us") return [brokenError(name, code), { forwarded: true }];
    const forwarded = code !== ErrorCode.REFUSED_STREAM;
    if (!forwarded) this.#outcome = "refused";
    return [resetError(name, code), { forwarded }];
  }

  #update(): void {
    this.#up?.update();
    this.#down?.update();
  }

  /** The answer is complete, or will never be. */
  #end(status: StatusCode, reason: string): void {
    if (this.#ended) {
      this.#leave();
      return this.#update();
    }
    this.#ended = true;
    this.#stopCaller();
    this.#update();
    this.#context.deadlines.remove(this);
    for (const observer of this.#context.observers) observer.callEnded?.(this, status, reason);
    this.#leave();
  }

  /** The end has been told, and a caller that reads slowly has all of its answer. */
  #leave(): void {
    if (!this.#ended || this.#left || !this.#nearStream.closed) return;
    this.#left = true;
    for (const observer of this.#context.observers) observer.callLeft?.(this);
  }
}
