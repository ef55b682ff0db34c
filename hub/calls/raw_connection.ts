/**
 * Raw mode: a caller's connection, carried unchanged to a server (docs/protocol.md §11).
 *
 *     caller's socket ──bytes──▶ Chunk{data} ──▶ ghub.v1.Tunnel/Connect ──▶ gserver
 *     caller's socket ◀─bytes─── Chunk{data} ◀──                        ◀── gserver
 *
 * It is one stream on the tunnel, so it has HTTP/2's flow control and no socket of its own.
 * `Chunk{fin}` ends one direction and leaves the other open, which END_STREAM could not.
 *
 * @module
 */
import { turns } from "../../shared/async/turns.ts";
import { OutBuffer, release } from "../../shared/bytes/out_buffer.ts";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { MessageReader, prefixMessage } from "../../shared/grpc/message_prefix.ts";
import { percentDecode } from "../../shared/grpc/percent.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { Status, type StatusCode } from "../../shared/grpc/status.ts";
import { endOfTrailers } from "../../shared/grpc_client/failures.ts";
import type { ghub_v1_Chunk as Chunk } from "../../shared/gen/types.ts";
import { DEFAULT_WINDOW, ErrorCode } from "../../shared/http2/frames.ts";
import { firstValue, type HeaderList, headerListBytes } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { MORE, type Stream, type StreamEvents } from "../../shared/http2/stream.ts";
import { OPERATOR_FIELD, VOUCHER_FIELD } from "../../shared/vouchers/voucher.ts";
import {
  HOP_FIELD,
  lostError,
  resetError,
  statusOf,
  tooLargeError,
} from "../relay/answer_headers.ts";
import type { Socket } from "../peer/socket_pump.ts";
import type { ByteMeter } from "../limits/meter.ts";
import type { CallTarget } from "../peer/call_target.ts";
import {
  type ForwardedOperator,
  peerFields,
  RAW_PATH,
  UPSTREAM_FIELD,
} from "../access/peer_fields.ts";
import { ERROR_DOMAIN } from "../errors.ts";

/** What a server may have sent that the caller's socket has not taken. */
const RAW_WINDOW = 1 << 20;
/** What may wait for the server before the caller's socket is read again. */
const MAX_QUEUED = 256 << 10;
const READ_BYTES = 32 << 10;
/** Reads before others may have their turn: a millisecond of work at most. */
const READS_AT_ONCE = 8;
/** The largest chunk that a server may send. */
const MAX_CHUNK_BYTES = 1 << 20;

/** After the end, a caller has this long to take what came before it. */
const LINGER_MS = 30_000;

const CHUNK = root.lookupType("ghub.v1.Chunk");

export interface RawOptions {
  /** Name of an upstream of the server, or empty for the server's own services. */
  readonly expose: string;
  readonly operator: ForwardedOperator;
  /** For a server that asks for it. */
  readonly voucher?: string | undefined;
}

/** What limits the bytes of each direction, where something does. */
export interface RawMeters {
  readonly up: ByteMeter;
  readonly down: ByteMeter;
}

/** How a raw connection ended. */
export interface RawResult {
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly status: StatusCode;
  readonly reason: string;
}

/** One raw connection: `open()`, then `join()`. Disposing ends it, wherever it is. */
export class RawConnection implements StreamEvents, Disposable {
  readonly #upstream: CallTarget;
  readonly #stream: Stream;
  readonly #operator: string;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  readonly #reader = new MessageReader(MAX_CHUNK_BYTES);
  /** What the server sent and the caller's socket has not taken; bounded by the stream's window. */
  readonly #down = new OutBuffer();
  /** Credit that the server gets for it. */
  #downCost = 0;
  #finReceived = false;
  #end: { status: StatusCode; reason: string } | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #socket: Socket | undefined;
  #meters: RawMeters | undefined;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(upstream: CallTarget, options: RawOptions) {
    this.#upstream = upstream;
    this.#operator = options.operator.name;
    const { connection } = upstream.side;
    if (!connection.canRequest || upstream.resets.isFullFor(this.#operator)) {
      throw new RpcError(Status.UNAVAILABLE, `Server "${upstream.name}" takes no more calls`);
    }
    const head: HeaderList = [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", RAW_PATH],
      [":authority", upstream.name],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
      ...(upstream.forwarding === undefined
        ? [[OPERATOR_FIELD, this.#operator] as const]
        : peerFields(options.operator, upstream.forwarding)),
      ...(options.voucher === undefined ? [] : [[VOUCHER_FIELD, options.voucher, true] as const]),
      ...(options.expose === "" ? [] : [[UPSTREAM_FIELD, options.expose] as const]),
    ];
    const bytes = headerListBytes(head), max = connection.maxHeaderListBytes;
    if (bytes > max) throw tooLargeError(upstream.name, { bytes, max });
    this.#stream = connection.request(encodeHeaderList(head), MORE, this);
    upstream.callsTotal++;
    connection.grant(this.#stream, RAW_WINDOW - DEFAULT_WINDOW);
  }

  /**
   * Resolves when the server has accepted the connection.
   *
   * @throws {RpcError} If it does not, or not before `signal` fires: its reason, if that is one.
   */
  async open(signal: AbortSignal): Promise<void> {
    const abort = () => {
      const { reason } = signal;
      this.#opened.reject(reason instanceof RpcError ? reason : tooLate(this.#upstream.name));
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    try {
      await this.#opened.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Which call at which other hub it is; `undefined` for a server whose tunnel is here. */
  get via(): string | undefined {
    const { forwarding } = this.#upstream;
    if (forwarding === undefined) return undefined;
    return `${forwarding.hub}/${forwarding.link}-${this.#stream.id}`;
  }

  /** Resolves when it is over, for whatever reason. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Bytes that wait for the caller to read, or for the rest of their chunk. */
  get bufferedBytes(): number {
    return this.#down.bytes + this.#reader.heldBytes;
  }

  /**
   * Moves bytes both ways until both ends are done, or one is gone. Closes the socket.
   *
   * @param first What came after the handshake.
   */
  async join(socket: Socket, first: Uint8Array, meters?: RawMeters): Promise<RawResult> {
    this.#socket = socket;
    this.#meters = meters;
    if (this.#end !== undefined) this.#startLinger();
    const down = this.#pumpDown(socket);
    const up = this.#pumpUp(socket, first);
    await down;
    this.#closeSocket();
    await up;
    this[Symbol.dispose]();
    const { status, reason } = this.#end ?? { status: Status.OK, reason: "" };
    return { bytesUp: this.#bytesUp, bytesDown: this.#bytesDown, status, reason };
  }

  [Symbol.dispose](): void {
    this.#closed.resolve();
    clearTimeout(this.#linger);
    this.#upstream.resets.reset(this.#stream, ErrorCode.CANCEL, this.#operator);
    for (const view of this.#down.take()) release(view);
  }

  async #pumpUp(socket: Socket, first: Uint8Array): Promise<void> {
    try {
      if (first.length > 0) this.#send({ data: first });
      this.#bytesUp += first.length;
      const buffer = new Uint8Array(READ_BYTES);
      for (let reads = 1; this.#end === undefined; reads++) {
        await this.#untilRoom();
        if (reads % READS_AT_ONCE === 0 && turns.isOver()) await turns.next();
        const n = await socket.read(buffer);
        if (n === null) break;
        this.#bytesUp += n;
        this.#send({ data: buffer.subarray(0, n) });
        // Until it is its turn again, it is not read.
        if (this.#meters !== undefined) await this.#meters.up.paid(n);
      }
      // The server ends the call when it has done with both directions: only then is all through.
      this.#send({ fin: true });
    } catch (error) {
      this.#callerLost(error);
    }
  }

  async #pumpDown(socket: Socket): Promise<void> {
    let halfClosed = false;
    try {
      for (;;) {
        const cost = this.#downCost;
        this.#downCost = 0;
        for (const view of this.#down.take()) {
          for (let at = 0; at < view.length;) at += await socket.write(view.subarray(at));
          this.#bytesDown += view.length;
          release(view);
        }
        if (this.#meters !== undefined) await this.#meters.down.paid(cost);
        this.#upstream.side.connection.grant(this.#stream, cost);
        if (this.#down.bytes > 0) continue;
        if (this.#finReceived && !halfClosed) {
          halfClosed = true;
          await socket.closeWrite();
        }
        if (this.#down.bytes > 0) continue;
        if (this.#end !== undefined) return;
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
      }
    } catch (error) {
      this.#callerLost(error);
    }
  }

  async #untilRoom(): Promise<void> {
    while (this.#end === undefined && this.#stream.queuedBytes > MAX_QUEUED) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  #callerLost(error: unknown): void {
    if (this.#end !== undefined) return;
    this.#upstream.resets.reset(this.#stream, ErrorCode.CANCEL, this.#operator);
    const reason = error instanceof Error ? error.message : String(error);
    this.#finish(Status.CANCELLED, `The caller is gone: ${reason}`);
  }

  #send(chunk: Chunk): void {
    const message = prefixMessage(encodeMessage(CHUNK, chunk));
    this.#upstream.side.connection.data(this.#stream, message, chunk.fin === true);
  }

  #finish(status: StatusCode, reason: string): void {
    if (this.#end !== undefined) return;
    this.#end = { status, reason };
    if (this.#socket !== undefined) this.#startLinger();
    this.#wake();
  }

  /** A caller that never takes the rest must not stay without limit. */
  #startLinger(): void {
    this.#linger ??= setTimeout(() => this.#closeSocket(), LINGER_MS);
  }

  #closeSocket(): void {
    try {
      this.#socket?.close();
    } catch {
      // Closed by its own error.
    }
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeWriter?.();
    this.#wakeReader = this.#wakeWriter = undefined;
  }

  // ---- StreamEvents

  onHeaders(_stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (!endStream) return this.#opened.resolve();
    const status = statusOf(fields);
    const reason = percentDecode(firstValue(fields, "grpc-message") ?? "");
    const { name, hop } = this.#upstream;
    // What another hub says of itself is passed on unchanged.
    const isHub = hop === "peer" && firstValue(fields, HOP_FIELD) === "hub";
    const error = isHub ? endOfTrailers(fields) : undefined;
    this.#opened.reject(error ?? refusedBy(name, status, reason));
    this.#opened.promise.catch(() => {}); // Nobody waits if it was open already.
    this.#finish(status, reason);
  }

  onData(_stream: Stream, piece: Uint8Array, endStream: boolean): void {
    const { connection } = this.#upstream.side;
    connection.consumed(piece.length);
    this.#downCost += piece.length;
    try {
      for (const message of this.#reader.push(piece)) {
        const { data, fin } = decodeMessage<Chunk>(CHUNK, message);
        if (data !== undefined) this.#down.write(data);
        this.#finReceived ||= fin === true;
      }
    } catch (error) {
      this.#upstream.resets.reset(this.#stream, ErrorCode.CANCEL, this.#operator);
      this.#finish(Status.INTERNAL, RpcError.from(error).message);
    }
    if (endStream) this.#finish(Status.UNKNOWN, "The server ended without a status");
    this.#wake();
  }

  onReset(_stream: Stream, code: number): void {
    const { name, lost, forwarding } = this.#upstream;
    const error = lost === undefined ? resetError(name, code) : lostError(name, lost, forwarding);
    this.#opened.reject(error);
    this.#opened.promise.catch(() => {});
    this.#finish(error.code, error.message);
  }

  onCredit(): void {}

  onDrained(): void {
    this.#wake();
  }
}

function tooLate(server: string): RpcError {
  return new RpcError(
    Status.DEADLINE_EXCEEDED,
    `Server "${server}" did not accept the connection in time`,
    { details: [errorInfo("RAW_NOT_ACCEPTED", ERROR_DOMAIN, { server })] },
  );
}

/** A server's refusal, in words that help: most often it is one that knows nothing of hubs. */
function refusedBy(server: string, status: StatusCode, reason: string): RpcError {
  if (status === Status.UNIMPLEMENTED) {
    return new RpcError(
      Status.FAILED_PRECONDITION,
      `Server "${server}" takes no raw connections, only routed calls`,
      { details: [errorInfo("RAW_NOT_SUPPORTED", ERROR_DOMAIN, { server })] },
    );
  }
  return new RpcError(status === Status.OK ? Status.UNAVAILABLE : status, reason);
}
