/**
 * Routed mode: each call on a caller's HTTP/2 connection goes its own way.
 *
 *     HEADERS ─▶ CallHeaders ─▶ CallRouter ─▶ RelayedCall ─▶ CallTarget
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { Connection, type ConnectionEvents } from "../../shared/http2/connection.ts";
import type { FloodLimits } from "../../shared/http2/flood_guard.ts";
import { ErrorCode, errorName, Http2Error } from "../../shared/http2/frames.ts";
import { firstValue, type HeaderList } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { LAST, MORE, type Stream, type StreamEvents } from "../../shared/http2/stream.ts";
import { type CallObserver, RelayedCall, type RelayedCallContext } from "./relayed_call.ts";
import type { CallRouter, Routed } from "../access/call_router.ts";
import { errorBlock } from "./answer_headers.ts";
import { type PumpProtocol, type Socket, SocketPump } from "../peer/socket_pump.ts";
import { HealthProbe, isHealthProbe, probeAnswer } from "./probes.ts";
import { MAX_REFUSED_PER_CONNECTION, type RefusedCallCount } from "../limits/refused_calls.ts";
import { CallHeaders } from "../access/call_head.ts";
import { ReceiveBudget } from "../peer/receive_budget.ts";
import type { Peer } from "../net/peer.ts";
import type { CallTarget } from "../peer/call_target.ts";
import type { CallIdentity } from "../access/call_identity.ts";
import { UnprovenCall } from "./unproven_call.ts";

/** Is told what becomes of callers and of their calls. */
export interface CallerObserver extends CallObserver {
  /** Called for each call whose caller was not let in. */
  callRefused?(head: CallHeaders, remoteAddress: string, error: RpcError): void;
  /** Called when a caller has broken HTTP/2, or asked too much. */
  callerBroke?(remoteAddress: string, error: Http2Error): void;
}

/** Another hub that forwards the calls of its callers, and has proven who it is. */
export interface Forwarder {
  /** For the audit: `name/link`. */
  readonly from: string;
  readonly floodLimits: FloodLimits;
  readonly maxHeaderListBytes: number;
  /** It pings; silence of this many seconds is its end. */
  readonly deadAfterS: number;
}

/** What the relay needs of the hub. */
export interface RelayContext extends RelayedCallContext {
  readonly router: Pick<CallRouter, "identify" | "route" | "waitFor">;
  readonly observers: readonly CallerObserver[];
  /** Calls that are refused, by address: see `limits/refused_calls.ts`. */
  readonly refused: RefusedCallCount;
  readonly maxStreams: number;
  /** The other hub whose calls come here, and the limits that fit it. @default a caller */
  readonly forwarder?: Forwarder | undefined;
  /** Whether the hub takes new calls: it does not drain. */
  isReady(): boolean;
}

/** Answers that are no gRPC: the caller speaks something else. */
const NOT_GRPC = encodeHeaderList([
  [":status", "415"],
  ["content-type", "text/plain"],
  ["accept-post", "application/grpc"],
]);
const NOT_GRPC_TEXT = new TextEncoder().encode(
  "This port takes gRPC calls: POST with content-type application/grpc.\n",
);

/** Frames that are dealt with before others may have their turn: a millisecond of work at most. */
const MAX_FRAMES_AT_ONCE = 16;

/** A caller that is silent for this many seconds is asked for a sign of life. */
export const PING_AFTER_S = 60;
/** A caller that gives none is closed when it has been silent for this long. */
export const DEAD_AFTER_S = 80;
/** A caller's socket is closed when it has taken no byte of what waits for this long. */
export const MAX_CALLER_STALL_S = 60;
/** A caller whose header section is not complete by then is closed: nothing else may come meanwhile. */
export const MAX_SECTION_S = 10;
/** A draining caller gets the last word after this many seconds, if it does not answer our ping. */
const MAX_DRAIN_PING_S = 5;

/** One connection of a caller. */
export class CallerConnection implements ConnectionEvents, PumpProtocol {
  readonly #context: RelayContext;
  readonly #peer: Peer;
  readonly #connection: Connection;
  readonly #link: SocketPump;
  readonly #side: ReceiveBudget;
  /** A caller repeats its header blocks, and with them the lists. */
  readonly #heads = new WeakMap<HeaderList, CallHeaders>();
  /** Seconds since the drain began; `undefined` before. */
  #drainingS: number | undefined;
  /** The GOAWAY that draws the line is sent: no call can be on its way. */
  #lineDrawn = false;
  #leaving = false;
  /** The stream whose header section is not complete, and since how many seconds. */
  #section: number | undefined;
  #sectionTicks = 0;
  /** Calls that were refused in this second. */
  #refused = 0;
  /** Made when somebody waits for the last call. */
  #idle: PromiseWithResolvers<void> | undefined;
  /** The last refusal, encoded: that of calls without a credential is always the same. */
  #refusal:
    | { readonly error: RpcError; readonly maxListBytes: number; readonly block: Uint8Array }
    | undefined;

  constructor(context: RelayContext, socket: Socket, peer: Peer) {
    this.#context = context;
    this.#peer = peer;
    this.#link = new SocketPump(socket, this);
    const { maxStreams, forwarder } = context;
    this.#connection = new Connection(this, {
      role: "server",
      maxConcurrentStreams: maxStreams,
      ...(forwarder !== undefined && {
        floodLimits: forwarder.floodLimits,
        maxHeaderListBytes: forwarder.maxHeaderListBytes,
      }),
    });
    this.#side = new ReceiveBudget(this.#connection);
  }

  /** Calls are in flight, or their last bytes are. */
  get isBusy(): boolean {
    return this.#connection.streamCount > 0 || this.#connection.outputBytes > 0;
  }

  /** Resolves when no call is in flight and its last bytes have left, or the caller is gone. */
  whenIdle(): Promise<void> {
    if (!this.isBusy) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /**
   * Serves until the caller is gone.
   *
   * @param first What was read already, to find out that this is HTTP/2.
   */
  async run(first: Uint8Array): Promise<void> {
    try {
      this.#connection.start();
      if (this.#context.forwarder === undefined && !this.#context.isReady()) this.#turnAway();
      await this.#link.run(first);
    } finally {
      this.close();
      this.#idle?.resolve();
    }
  }

  /** Takes no new calls; the connection closes when the last one has ended. */
  drain(): void {
    if (this.#drainingS !== undefined) return;
    this.#drainingS = 0;
    // Calls that are on their way are still taken: only the second GOAWAY draws the line.
    this.#connection.goaway(ErrorCode.NO_ERROR, { now: false, debug: "The hub goes away" });
    this.#connection.ping();
  }

  /**
   * Ends an idle connection so that the caller knows the fate of what it has just sent: the last
   * GOAWAY tells which calls were never looked at. Resolves when the caller has closed its half, or
   * after `GOODBYE_MS`.
   */
  end(): Promise<void> {
    this.#drawLine();
    return this.#link.end();
  }

  /**
   * Ends all calls at once; what is on its way to the caller still gets there. Resolves when its socket
   * is closed: at the latest after `GOODBYE_MS`.
   */
  close(): Promise<void> {
    this.#connection.abort(ErrorCode.CANCEL);
    return this.#link.end();
  }

  /** Once a second: floods, signs of life, the end of a drain. */
  tick(): void {
    this.#connection.tick();
    this.#link.tick();
    this.#refused = 0;
    const { quietTicks, stalledTicks } = this.#link;
    const deadAfterS = this.#context.forwarder?.deadAfterS ?? DEAD_AFTER_S;
    if (quietTicks >= deadAfterS || stalledTicks >= MAX_CALLER_STALL_S) return this.#link.close();
    if (quietTicks === PING_AFTER_S) this.#connection.ping();
    const unfinished = this.#connection.unfinishedSection;
    this.#sectionTicks = unfinished !== undefined && unfinished === this.#section
      ? this.#sectionTicks + 1
      : 0;
    this.#section = unfinished;
    if (this.#sectionTicks >= MAX_SECTION_S) return this.#link.close();
    if (this.#leaving && !this.isBusy) void this.#link.end();
    if (this.#drainingS === undefined) return;
    if (++this.#drainingS === MAX_DRAIN_PING_S) this.#drawLine();
    if (this.#lineDrawn && !this.isBusy) void this.#link.end();
  }

  // ---- PumpProtocol

  onBytes(bytes: Uint8Array): number {
    const taken = this.#connection.receive(bytes, MAX_FRAMES_AT_ONCE);
    // Its last call may have been cancelled.
    if (this.#idle !== undefined) this.#tellIdle();
    return taken;
  }

  take(): readonly Uint8Array[] {
    const views = this.#connection.take();
    if (this.#idle !== undefined) this.#tellIdle();
    return views;
  }

  get isFull(): boolean {
    return this.#side.isFull;
  }

  // ---- ConnectionEvents

  onOutput(urgent: boolean): void {
    if (urgent) this.#link.wake();
    else this.#link.wakeLate();
  }

  onRequest(stream: Stream, fields: HeaderList | undefined, endStream: boolean): StreamEvents {
    if (fields === undefined) {
      const error = new RpcError(Status.RESOURCE_EXHAUSTED, "Metadata is larger than 32 KiB");
      // The headers were dropped because they were too large: caller and method are unknown here.
      this.#tellRefused(new CallHeaders([]), error);
      return this.#refuse(stream, error);
    }
    const head = this.#readHead(fields);
    if (!head.isGrpc) return this.#answerProbe(stream, fields) ?? this.#refuseOther(stream);
    const answer = this.#context.router.identify(head, this.#peer);
    if (answer instanceof RpcError) {
      if (!endStream && isHealthProbe(head, head.wish)) {
        this.#countRefusal(fail);
        return new HealthProbe(this.#connection, () => this.#context.isReady());
      }
      this.#tellRefused(head, answer);
      return this.#refuse(stream, answer);
    }
    const near = this.#side;
    const { remoteAddress } = this.#peer;
    const from = this.#context.forwarder?.from;
    if (answer instanceof Promise) {
      const unproven = new UnprovenCall(
        this.#context,
        { near, stream, head, remoteAddress, from },
        {
          endStream,
          onRefused: (error) => this.#tellRefused(head, error),
        },
      );
      void this.#prove(unproven, answer);
      return unproven;
    }
    const call = new RelayedCall(this.#context, {
      near,
      stream,
      head,
      identity: answer,
      remoteAddress,
      from,
    });
    call.watchDeadline();
    this.#route(call, endStream);
    return call;
  }

  /** The caller opens no more streams; when its last one has ended nobody needs this connection. */
  onGoaway(): void {
    this.#leaving = true;
  }

  onPong(): void {
    if (this.#drainingS !== undefined) this.#drawLine();
  }

  onError(error: Http2Error): void {
    for (const observer of this.#context.observers) {
      observer.callerBroke?.(this.#peer.remoteAddress, error);
    }
    this.close();
  }

  onFault(error: unknown): void {
    getLogger(["hub", "relay"]).error(
      "A call of {remoteAddress} hit an unexpected error: {error}",
      {
        remoteAddress: this.#peer.remoteAddress,
        error,
      },
    );
  }

  /** Bytes that wait for this caller to read, or of it for a server, and those that are not complete. */
  get bufferedBytes(): number {
    const { waitingBytes, unfinishedBytes } = this.#connection;
    return waitingBytes + unfinishedBytes + this.#side.heldBytes;
  }

  #tellIdle(): void {
    if (this.isBusy) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  /** It came while the hub drains: nothing that it sends is looked at, and it learns so at once. */
  #turnAway(): void {
    this.#drainingS = 0;
    this.#drawLine();
  }

  #drawLine(): void {
    if (!this.#lineDrawn) this.#connection.goaway();
    this.#lineDrawn = true;
  }

  #readHead(fields: HeaderList): CallHeaders {
    if (!this.#connection.fieldsRepeated) return new CallHeaders(fields);
    let head = this.#heads.get(fields);
    if (head === undefined) {
      head = new CallHeaders(fields);
      this.#heads.set(fields, head);
    }
    return head;
  }

  #route(call: RelayedCall, endStream: boolean): void {
    const routed = this.#start(call);
    if (routed instanceof RpcError) call.fail(routed);
    else if (routed.target !== undefined) call.forward(routed.target, endStream);
    else call.hold((signal) => this.#waitFor(call, routed, signal), { ended: endStream });
  }

  /** For a credential that has to be asked about elsewhere. Never rejects. */
  async #prove(unproven: UnprovenCall, answer: Promise<CallIdentity | RpcError>): Promise<void> {
    const identity = await answer.catch(RpcError.from);
    if (unproven.isOver) return;
    if (identity instanceof RpcError) {
      this.#countRefusal((error) => this.#sendAway(error));
      return unproven.refuse(identity);
    }
    unproven.prove(identity, (call, held) =>
      call.hold(async (signal) => {
        const routed = this.#start(call);
        if (routed instanceof RpcError) throw routed;
        return routed.target ?? await this.#waitFor(call, routed, signal);
      }, held));
  }

  /** Where a call goes; from here on it counts. */
  #start(call: RelayedCall): Routed | RpcError {
    const { router, observers } = this.#context;
    const routed = router.route(call.head, call.identity);
    if (routed instanceof RpcError) return routed;
    call.server = routed.server;
    for (const observer of observers) observer.callStarted?.(call);
    return routed;
  }

  #waitFor(call: RelayedCall, { waitMs }: Routed, signal: AbortSignal): Promise<CallTarget> {
    return this.#context.router.waitFor(call, { waitMs, signal });
  }

  #tellRefused(head: CallHeaders, error: RpcError): void {
    const { remoteAddress } = this.#peer;
    for (const observer of this.#context.observers) {
      observer.callRefused?.(head, remoteAddress, error);
    }
  }

  /**
   * Counts a refused call; `tooMany` is called with the error that ends the connection. Those of one
   * caller of another hub must not end the calls of all others: there they do not count.
   */
  #countRefusal(tooMany: (error: Http2Error) => void): void {
    if (this.#context.forwarder !== undefined) return;
    const ofAddress = this.#context.refused.isOneTooMany(this.#peer.remoteAddress);
    if (++this.#refused <= MAX_REFUSED_PER_CONNECTION && !ofAddress) return;
    const from = ofAddress ? "this address" : "this connection";
    tooMany(
      new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, `Too many calls of ${from} had to be refused`),
    );
  }

  #sendAway(error: Http2Error): void {
    const { code, message } = error;
    this.#connection.goaway(code, { debug: `${errorName(code)}: ${message}` });
    this.onError(error);
  }

  #refuse(stream: Stream, error: RpcError): StreamEvents {
    this.#countRefusal(fail);
    const { maxHeaderListBytes: maxListBytes } = this.#connection;
    if (this.#refusal?.error !== error || this.#refusal.maxListBytes !== maxListBytes) {
      const block = errorBlock(error, { trailersOnly: true, forwarded: false, maxListBytes });
      this.#refusal = { error, maxListBytes, block };
    }
    this.#connection.headers(stream, this.#refusal.block, LAST);
    this.#connection.reset(stream, ErrorCode.NO_ERROR);
    return new Discard(this.#connection);
  }

  /** `GET /livez` and `/readyz` by HTTP/2. */
  #answerProbe(stream: Stream, fields: HeaderList): StreamEvents | undefined {
    const method = firstValue(fields, ":method") ?? "", target = firstValue(fields, ":path") ?? "";
    const answer = probeAnswer({ method, target }, this.#context.isReady());
    if (answer === undefined) return undefined;
    this.#countRefusal(fail);
    const head: HeaderList = [[":status", String(answer.status)], ["content-type", "text/plain"]];
    this.#connection.headers(stream, encodeHeaderList(head), method === "HEAD");
    const body = new TextEncoder().encode(answer.text);
    if (method !== "HEAD") this.#connection.data(stream, body, LAST);
    return new Discard(this.#connection);
  }

  #refuseOther(stream: Stream): StreamEvents {
    this.#countRefusal(fail);
    this.#connection.headers(stream, NOT_GRPC, MORE);
    this.#connection.data(stream, NOT_GRPC_TEXT, LAST);
    return new Discard(this.#connection);
  }
}

function fail(error: Http2Error): never {
  throw error;
}

/** Takes what a caller still sends after it was refused. */
class Discard implements StreamEvents {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  onData(_stream: Stream, piece: Uint8Array): void {
    this.#connection.consumed(piece.length);
  }

  onHeaders(): void {}
  onReset(): void {}
  onCredit(): void {}
  onDrained(): void {}
}
