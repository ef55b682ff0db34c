/**
 * One call on its way: a stream on the caller's connection, joined with one on a tunnel.
 *
 *     caller ──HEADERS, DATA──▶ near │ far ──▶ server        credit of far  → grant on near
 *     caller ◀─HEADERS, DATA─── near │ far ◀── server        credit of near → grant on far
 *
 * | what happens               | the caller gets                         | the server gets |
 * | -------------------------- | --------------------------------------- | --------------- |
 * | server answers             | its answer, with `x-hub-hop: server`    | –               |
 * | server resets              | trailers by `resetError`                | –               |
 * | tunnel is lost             | `UNAVAILABLE`, outcome unknown          | –               |
 * | server goes away before it | `UNAVAILABLE`, not delivered            | –               |
 * | caller cancels or is lost  | –                                       | RST CANCEL      |
 * | deadline                   | `DEADLINE_EXCEEDED`                     | RST CANCEL      |
 *
 * @module
 */
import { errorInfo, RpcError } from "../shared/grpc/rpc_error.ts";
import { Status, type StatusCode } from "../shared/grpc/status.ts";
import { formatTimeout } from "../shared/grpc/timeout.ts";
import { DEFAULT_WINDOW, ErrorCode } from "../shared/http2/frames.ts";
import type { HeaderList } from "../shared/http2/header_list.ts";
import { encodeHeaderList } from "../shared/http2/hpack/encoder.ts";
import type { Stream, StreamEvents } from "../shared/http2/stream.ts";
import type { Expiring } from "./deadlines.ts";
import { answerBlock, errorBlock, lostError, resetError, statusOf } from "./hop.ts";
import type { CallIdentity, RelayContext } from "./relay.ts";
import type { RequestHead } from "./request_head.ts";
import type { Side, Waiting } from "./side.ts";
import type { Upstream } from "./upstream.ts";

/** The longest deadline that is watched; the timers of the machine go no further. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The longest time that a call without a deadline waits for its server. */
interface Held {
  readonly abort: AbortController;
  /** What the caller has sent meanwhile: at most its initial window. */
  readonly pieces: Uint8Array[];
  ended: boolean;
}

/** Where a call stands: docs/lifecycle.md, "Call". */
export type CallState = "arrived" | "waiting" | "forwarded" | "ended";

/** See the module's head. */
export class Exchange implements StreamEvents, Waiting, Expiring {
  readonly head: RequestHead;
  readonly identity: CallIdentity;
  readonly remoteAddress: string;
  readonly startedMs: number = performance.now();
  bytesUp = 0;
  bytesDown = 0;
  /** Name of the server, once it is known. */
  server = "";
  readonly #context: RelayContext;
  readonly #near: Side;
  readonly #nearStream: Stream;
  #upstream: Upstream | undefined;
  #farStream: Stream | undefined;
  #held: Held | undefined;
  /** Credit that the server gave and the caller has not got yet, and the other way round. */
  #upWanted = 0;
  #downWanted = 0;
  #deadlineSlot = -1;
  #upSettled = false;
  #downSettled = false;
  #reported = false;

  constructor(
    context: RelayContext,
    call: {
      near: Side;
      stream: Stream;
      head: RequestHead;
      identity: CallIdentity;
      remoteAddress: string;
    },
  ) {
    this.#context = context;
    this.#near = call.near;
    this.#nearStream = call.stream;
    this.head = call.head;
    this.identity = call.identity;
    this.remoteAddress = call.remoteAddress;
  }

  get state(): CallState {
    if (this.#reported) return "ended";
    if (this.#farStream !== undefined) return "forwarded";
    return this.#held === undefined ? "arrived" : "waiting";
  }

  /** Starts the call's deadline. */
  watchDeadline(): void {
    const { timeoutMs } = this.head;
    if (timeoutMs === undefined || timeoutMs > MAX_TIMEOUT_MS) return;
    this.#deadlineSlot = this.#context.deadlines.add(this, this.startedMs + timeoutMs);
  }

  /** Opens the call's stream on a tunnel. */
  forward(upstream: Upstream, endStream: boolean): void {
    const { head, identity } = this;
    this.#open(upstream, head.block(identity.name, identity.credentialUsed), endStream);
  }

  /** Waits for the server, then forwards. */
  hold(waitMs: number, wait: (signal: AbortSignal) => Promise<Upstream>, endStream: boolean): void {
    const abort = new AbortController();
    const held: Held = { abort, pieces: [], ended: endStream };
    this.#held = held;
    const timer = setTimeout(
      () => abort.abort(this.#context.notHere(this.server)),
      Math.min(waitMs, MAX_TIMEOUT_MS),
    );
    wait(abort.signal).then(
      (upstream) => this.#release(held, upstream),
      (error) => {
        if (this.#held === held) this.fail(RpcError.from(error));
      },
    ).finally(() => clearTimeout(timer));
  }

  /** Ends the call with an error of the hub. */
  fail(error: RpcError, { forwarded = this.#farStream !== undefined } = {}): void {
    const { connection } = this.#near;
    const stream = this.#nearStream;
    const trailersOnly = !stream.headersSent && stream.queuedBytes === 0;
    connection.headers(stream, errorBlock(error, { trailersOnly, forwarded }), true);
    // Tells the caller to stop sending (RFC 9113 §8.1); with bytes in the queue it finds out later.
    if (stream.localEnd) connection.reset(stream, ErrorCode.NO_ERROR);
    this.#resetFar(ErrorCode.CANCEL);
    this.#end(error.code, error.message);
  }

  // ---- StreamEvents, of both streams

  onHeaders(stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (stream === this.#nearStream) {
      if (this.#held !== undefined) this.#held.ended = true; // Trailers of a request mean nothing in gRPC.
      else this.#far?.connection.headers(this.#farStream!, encodeHeaderList(fields), true);
      this.#settle();
      return;
    }
    const repeated = this.#far!.connection.fieldsRepeated;
    const block = answerBlock(fields, { endStream, repeated, hop: this.#upstream!.hop });
    this.#near.connection.headers(this.#nearStream, block, endStream);
    if (endStream) this.#end(statusOf(fields), "");
  }

  onData(stream: Stream, piece: Uint8Array, endStream: boolean): void {
    const { length } = piece;
    const near = this.#near;
    const far = this.#far;
    if (stream === this.#farStream) {
      this.bytesDown += length;
      near.received(length);
      // At once: a slow caller must not hold the tunnel's window, which all callers share.
      far!.connection.consumed(length);
      near.connection.data(this.#nearStream, piece, endStream);
      if (this.#downWanted > 0) this.#passDown();
      if (endStream) this.#end(Status.UNKNOWN, "The server ended without a status");
      return;
    }
    this.bytesUp += length;
    if (far === undefined) {
      this.#hold(piece, endStream);
      return;
    }
    far.received(length);
    const queued = far.connection.data(this.#farStream!, piece, endStream);
    far.consumed(near, length - queued);
    if (this.#upWanted > 0) this.#passUp();
    if (endStream) this.#settle();
  }

  onReset(stream: Stream, code: number, by: "peer" | "us"): void {
    if (stream === this.#nearStream) {
      this.#resetFar(ErrorCode.CANCEL);
      this.#end(Status.CANCELLED, "The caller cancelled, or is gone");
    } else if (this.#nearStream.localEnd || this.#nearStream.queuedEnd !== undefined) {
      // The answer is complete: the server only says that it reads no more (RFC 9113 §8.1).
      if (this.#nearStream.localEnd) this.#near.connection.reset(this.#nearStream, code);
      this.#settle();
    } else {
      const { name, lost } = this.#upstream!;
      const error = lost === undefined ? resetError(name, code) : lostError(name, lost);
      const refused = by === "peer" && code === ErrorCode.REFUSED_STREAM;
      this.fail(error, { forwarded: !refused });
    }
  }

  onCredit(stream: Stream, bytes: number): void {
    if (stream === this.#nearStream) {
      this.#downWanted += bytes;
      this.#passDown();
    } else {
      this.#upWanted += bytes;
      this.#passUp();
    }
  }

  onDrained(stream: Stream, bytes: number): void {
    if (stream === this.#farStream) this.#near.connection.consumed(bytes);
  }

  // ---- Waiting, Expiring

  onRoom(): void {
    this.#passUp();
    this.#passDown();
  }

  onDeadline(): void {
    this.#deadlineSlot = -1;
    const { timeoutMs } = this.head;
    this.fail(
      new RpcError(Status.DEADLINE_EXCEEDED, `Deadline of ${timeoutMs} ms exceeded at the hub`, {
        details: [errorInfo("DEADLINE_AT_HUB", "ghub", { server: this.server })],
      }),
    );
  }

  get #far(): Side | undefined {
    return this.#upstream?.side;
  }

  #open(upstream: Upstream, block: Uint8Array, endStream: boolean): void {
    const far = upstream.side;
    const near = this.#near;
    if (!far.connection.canRequest) return this.fail(busyError(upstream.name));
    this.#upstream = upstream;
    this.#farStream = far.connection.request(block, endStream, this);
    upstream.callsTotal++;
    near.opened();
    far.opened();
    // What either end allows beyond the initial window of the hub's own streams.
    this.#downWanted = this.#nearStream.sendWindow - DEFAULT_WINDOW;
    this.#upWanted = far.connection.peerInitialWindow - DEFAULT_WINDOW;
    if (this.#downWanted > 0) this.#passDown();
    if (this.#upWanted > 0 && !endStream) this.#passUp();
  }

  /** Grants the server what the caller will take. */
  #passDown(): void {
    if (this.#downWanted <= 0 || this.#farStream === undefined) return;
    const near = this.#near;
    this.#downWanted -= near.pass(this.#far!, this.#farStream, this.#downWanted);
    if (this.#downWanted > 0) near.await(this);
  }

  /** Grants the caller what the server will take. */
  #passUp(): void {
    const far = this.#far;
    if (this.#upWanted <= 0 || far === undefined) return;
    this.#upWanted -= far.pass(this.#near, this.#nearStream, this.#upWanted);
    if (this.#upWanted > 0) far.await(this);
  }

  #hold(piece: Uint8Array, endStream: boolean): void {
    const held = this.#held;
    if (held === undefined) return this.#near.connection.consumed(piece.length);
    held.pieces.push(piece.slice());
    held.ended ||= endStream;
  }

  #release(held: Held, upstream: Upstream): void {
    if (this.#held !== held) return;
    this.#held = undefined;
    const { head, identity } = this;
    const { timeoutMs } = head;
    const left = timeoutMs === undefined
      ? undefined
      : Math.max(0, timeoutMs - (performance.now() - this.startedMs));
    const block = left === undefined
      ? head.block(identity.name, identity.credentialUsed)
      : head.blockWithTimeout(identity.name, identity.credentialUsed, formatTimeout(left));
    this.#open(upstream, block, held.ended && held.pieces.length === 0);
    held.pieces.forEach((piece, i) => {
      this.bytesUp -= piece.length;
      this.onData(this.#nearStream, piece, held.ended && i === held.pieces.length - 1);
    });
  }

  #resetFar(code: number): void {
    if (this.#held !== undefined) {
      const held = this.#held;
      this.#held = undefined;
      held.abort.abort(new RpcError(Status.CANCELLED, "The call has ended"));
      for (const piece of held.pieces) this.#near.connection.consumed(piece.length);
    }
    if (this.#farStream !== undefined) this.#far!.connection.reset(this.#farStream, code);
  }

  /** Gives the account of each direction back when its sender can send no more. */
  #settle(): void {
    const far = this.#farStream;
    if (far === undefined) return;
    if (!this.#downSettled && (far.closed || far.remoteEnd)) {
      this.#downSettled = true;
      this.#near.closed(far);
      this.#near.forget(this);
    }
    if (!this.#upSettled && (this.#nearStream.closed || this.#nearStream.remoteEnd)) {
      this.#upSettled = true;
      this.#far!.closed(this.#nearStream);
      this.#far!.forget(this);
    }
  }

  /** The answer is complete. */
  #end(status: StatusCode, reason: string): void {
    this.#settle();
    if (this.#reported) return;
    this.#reported = true;
    if (this.#deadlineSlot >= 0) this.#context.deadlines.remove(this, this.#deadlineSlot);
    this.#context.onCallEnded(this, status, reason);
  }
}

function busyError(server: string): RpcError {
  return new RpcError(
    Status.UNAVAILABLE,
    `Server "${server}" takes no more calls at the moment, nothing was delivered`,
    { details: [errorInfo("NOT_DELIVERED", "ghub", { server })] },
  );
}
