/**
 * Raw mode: a caller's connection, carried as it is to a server (docs/protocol.md §11).
 *
 *     caller's socket ──bytes──▶ Chunk{data} ──▶ ghub.v1.Tunnel/Connect ──▶ gserver
 *     caller's socket ◀─bytes─── Chunk{data} ◀──                        ◀── gserver
 *
 * It is one stream on the tunnel, so it has HTTP/2's flow control and no socket of its own.
 * `Chunk{fin}` ends one direction and leaves the other open, which END_STREAM could not.
 *
 * @module
 */
import { errorInfo, RpcError } from "../shared/grpc/rpc_error.ts";
import { MessageReader, prefixMessage } from "../shared/grpc/message_prefix.ts";
import { percentDecode } from "../shared/grpc/percent.ts";
import { root } from "../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../shared/grpc/service.ts";
import { Status, type StatusCode } from "../shared/grpc/status.ts";
import type { ghub_v1_Chunk as Chunk } from "../shared/gen/types.ts";
import { DEFAULT_WINDOW, ErrorCode } from "../shared/http2/frames.ts";
import { firstValue, type HeaderList } from "../shared/http2/header_list.ts";
import { encodeHeaderList } from "../shared/http2/hpack/encoder.ts";
import type { Stream, StreamEvents } from "../shared/http2/stream.ts";
import { lostError, resetError, statusOf } from "./hop.ts";
import type { Socket } from "./link.ts";
import { OPERATOR_FIELD } from "./request_head.ts";
import type { Waiting } from "./side.ts";
import type { Upstream } from "./upstream.ts";

/** What a server may have sent that the caller's socket has not taken. */
const RAW_WINDOW = 1 << 20;
/** What may wait for the server before the caller's socket is read again. */
const MAX_QUEUED = 256 << 10;
const READ_BYTES = 32 << 10;
/** The largest chunk that a server may send. */
const MAX_CHUNK_BYTES = 1 << 20;

const CHUNK = root.lookupType("ghub.v1.Chunk");
const NO_BYTES = new Uint8Array();

export interface RawOptions {
  /** Name of an upstream of the server, or empty for the server's own services. */
  readonly expose: string;
  readonly operator: string;
}

/** How a raw connection ended. */
export interface RawResult {
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly status: StatusCode;
  readonly reason: string;
}

/** One raw connection. `open()`, then `join()`. */
export class RawConnection implements StreamEvents, Waiting {
  readonly #upstream: Upstream;
  readonly #stream: Stream;
  readonly #opened = Promise.withResolvers<void>();
  readonly #reader = new MessageReader(MAX_CHUNK_BYTES);
  /** What the server sent: bytes for the caller, `fin`, or the end with its status. */
  readonly #inbox: { chunk: Chunk; cost: number }[] = [];
  #end: { status: StatusCode; reason: string } | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(upstream: Upstream, options: RawOptions) {
    this.#upstream = upstream;
    const { connection } = upstream.side;
    if (!connection.canRequest) {
      throw new RpcError(Status.UNAVAILABLE, `Server "${upstream.name}" takes no more calls`);
    }
    const head: HeaderList = [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/ghub.v1.Tunnel/Connect"],
      [":authority", upstream.name],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
      [OPERATOR_FIELD, options.operator],
      ...(options.expose === "" ? [] : [["x-hub-upstream", options.expose] as const]),
    ];
    this.#stream = connection.request(encodeHeaderList(head), false, this);
    upstream.callsTotal++;
    connection.grant(this.#stream, RAW_WINDOW - DEFAULT_WINDOW);
  }

  /**
   * Resolves when the server has accepted the connection.
   *
   * @throws {RpcError} If it does not, or `signal` fires.
   */
  async open(signal: AbortSignal): Promise<void> {
    const abort = () => this.#opened.reject(RpcError.from(signal.reason));
    signal.addEventListener("abort", abort, { once: true });
    try {
      await this.#opened.promise;
    } catch (error) {
      this.#upstream.side.connection.reset(this.#stream, ErrorCode.CANCEL);
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Moves bytes both ways until either end is done. Closes the socket.
   *
   * @param first What came behind the handshake.
   */
  async join(socket: Socket, first: Uint8Array): Promise<RawResult> {
    const down = this.#pumpDown(socket);
    const up = this.#pumpUp(socket, first);
    await down;
    try {
      socket.close();
    } catch {
      // Closed by its own error.
    }
    await up;
    this.#upstream.side.connection.reset(this.#stream, ErrorCode.CANCEL);
    const { status, reason } = this.#end ?? { status: Status.OK, reason: "" };
    return { bytesUp: this.#bytesUp, bytesDown: this.#bytesDown, status, reason };
  }

  async #pumpUp(socket: Socket, first: Uint8Array): Promise<void> {
    try {
      if (first.length > 0) this.#send({ data: first });
      const buffer = new Uint8Array(READ_BYTES);
      while (this.#end === undefined) {
        await this.#untilRoom();
        const n = await socket.read(buffer);
        if (n === null) break;
        this.#bytesUp += n;
        this.#send({ data: buffer.subarray(0, n) });
      }
      // The server ends the call when it has done with both directions: only then is all through.
      this.#send({ fin: true });
    } catch (error) {
      if (this.#end === undefined) {
        this.#upstream.side.connection.reset(this.#stream, ErrorCode.CANCEL);
        this.#finish(Status.CANCELLED, `The caller is gone: ${(error as Error).message}`);
      }
    }
  }

  async #pumpDown(socket: Socket): Promise<void> {
    for (;;) {
      const next = this.#inbox.shift();
      if (next === undefined) {
        if (this.#end !== undefined) return;
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
        continue;
      }
      const { chunk, cost } = next;
      const data = chunk.data ?? NO_BYTES;
      try {
        for (let at = 0; at < data.length;) at += await socket.write(data.subarray(at));
        this.#bytesDown += data.length;
        if (chunk.fin) await socket.closeWrite();
      } catch (error) {
        this.#upstream.side.connection.reset(this.#stream, ErrorCode.CANCEL);
        this.#finish(Status.CANCELLED, `The caller is gone: ${(error as Error).message}`);
        return;
      }
      this.#upstream.side.connection.grant(this.#stream, cost);
    }
  }

  async #untilRoom(): Promise<void> {
    const { side } = this.#upstream;
    while (this.#end === undefined && (this.#stream.queuedBytes > MAX_QUEUED || side.isFull)) {
      if (side.isFull) side.await(this);
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  #send(chunk: Chunk): void {
    const message = prefixMessage(encodeMessage(CHUNK, chunk));
    this.#upstream.side.connection.data(this.#stream, message, chunk.fin === true);
  }

  #finish(status: StatusCode, reason: string): void {
    this.#end ??= { status, reason };
    this.#wake();
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeWriter?.();
    this.#wakeReader = this.#wakeWriter = undefined;
  }

  // ---- StreamEvents, Waiting

  onHeaders(_stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (!endStream) return this.#opened.resolve();
    const status = statusOf(fields);
    const reason = percentDecode(firstValue(fields, "grpc-message") ?? "");
    this.#opened.reject(refusedBy(this.#upstream.name, status, reason));
    this.#opened.promise.catch(() => {}); // Nobody waits if it was open already.
    this.#finish(status, reason);
  }

  onData(_stream: Stream, piece: Uint8Array, endStream: boolean): void {
    const { connection } = this.#upstream.side;
    connection.consumed(piece.length);
    try {
      let cost = piece.length;
      for (const message of this.#reader.push(piece)) {
        this.#inbox.push({ chunk: decodeMessage<Chunk>(CHUNK, message), cost });
        cost = 0;
      }
      // Half a message: nobody will pay for these bytes later.
      if (cost > 0) connection.grant(this.#stream, cost);
    } catch (error) {
      connection.reset(this.#stream, ErrorCode.CANCEL);
      this.#finish(Status.INTERNAL, RpcError.from(error).message);
    }
    if (endStream) this.#finish(Status.UNKNOWN, "The server ended without a status");
    this.#wake();
  }

  onReset(_stream: Stream, code: number): void {
    const { name, lost } = this.#upstream;
    const error = lost === undefined ? resetError(name, code) : lostError(name, lost);
    this.#opened.reject(error);
    this.#opened.promise.catch(() => {});
    this.#finish(error.code, error.message);
  }

  onCredit(): void {}

  onDrained(): void {
    this.#wake();
  }

  onRoom(): void {
    this.#wake();
  }
}

/** A server's refusal, in words that help: most often it is one that knows nothing of hubs. */
function refusedBy(server: string, status: StatusCode, reason: string): RpcError {
  if (status === Status.UNIMPLEMENTED) {
    return new RpcError(
      Status.FAILED_PRECONDITION,
      `Server "${server}" takes no raw connections, only routed calls`,
      { details: [errorInfo("RAW_NOT_SUPPORTED", "ghub", { server })] },
    );
  }
  return new RpcError(status === Status.OK ? Status.UNAVAILABLE : status, reason);
}
