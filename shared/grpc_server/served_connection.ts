/**
 * One connection to a gRPC server: which calls there are, and what they hold.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { Connection, type ConnectionEvents } from "../http2/connection.ts";
import { ErrorCode, type Http2Error } from "../http2/frames.ts";
import { type Field, firstValue, type HeaderList } from "../http2/header_list.ts";
import { encodeHeaderList } from "../http2/hpack/encoder.ts";
import { LAST, SILENT, type Stream, type StreamEvents } from "../http2/stream.ts";
import { endingBlock } from "./ending.ts";
import { type ServedMethod, ServerCall } from "./server_call.ts";

const log = getLogger(["grpc", "server"]);

export interface ServedConnectionOptions {
  readonly maxMessageBytes: number;
  readonly maxConcurrentStreams: number;
  /** What handlers are told of the other end. */
  readonly peer: string;
  /** The method of a path. */
  method(path: string): ServedMethod | undefined;
  /** There is something to `take()`. */
  onOutput(): void;
  /** Its calls have ended, and there will be no more. */
  onClosed(): void;
}

/** Our messages are those of protobuf. */
const GRPC = /^application\/grpc(?:\+proto)?(?:;|$)/;
const ANY_GRPC = /^application\/grpc(?:[+;]|$)/;

const HEADERS_TOO_LARGE = new RpcError(
  Status.RESOURCE_EXHAUSTED,
  "The call has more metadata than is accepted",
);

/**
 * One connection to a gRPC server: its calls, and the bytes that they hold. Its owner calls
 * `tick()` once a second.
 */
export class ServedConnection implements ConnectionEvents {
  readonly #options: ServedConnectionOptions;
  readonly #connection: Connection;
  readonly #calls = new Set<ServerCall>();
  #broken: Http2Error | undefined;

  /** Made by {@linkcode GrpcServer.connect} alone. */
  constructor(options: ServedConnectionOptions) {
    this.#options = options;
    const { maxConcurrentStreams } = options;
    this.#connection = new Connection(this, { role: "server", maxConcurrentStreams });
  }

  /** Calls whose handler runs, or whose answer has not left. */
  get calls(): Iterable<Pick<ServerCall, "metadata" | "unreadBytes">> {
    return this.#calls;
  }

  /** Why it cannot go on: what is left to `take()` is the last. */
  get broken(): Http2Error | undefined {
    return this.#broken;
  }

  /** What is kept for its calls: requests that no handler has read, answers that no caller has. */
  get heldBytes(): number {
    let bytes = this.#connection.waitingBytes + this.#connection.unfinishedBytes;
    for (const call of this.#calls) bytes += call.heldBytes;
    return bytes;
  }

  /** Bytes that wait to be taken. */
  get outputBytes(): number {
    return this.#connection.outputBytes;
  }

  /** @ignore Called by the server. */
  start(): void {
    this.#connection.start();
  }

  /** Takes the peer's bytes, cut anywhere. */
  receive(bytes: Uint8Array): void {
    this.#connection.receive(bytes);
  }

  /** Everything that waits to be sent: see `Connection.take()`. */
  take(): Uint8Array[] {
    return this.#connection.take();
  }

  /** Begins a new second for the bounds on floods. */
  tick(): void {
    this.#connection.tick();
  }

  /** Ends all calls: their handlers are told. */
  close(): void {
    this.#connection.abort(ErrorCode.CANCEL);
    this.#options.onClosed();
  }

  // ---- ConnectionEvents

  onOutput(): void {
    this.#options.onOutput();
  }

  onRequest(stream: Stream, fields: HeaderList | undefined, endStream: boolean): StreamEvents {
    if (fields === undefined) return this.#refuse(stream, HEADERS_TOO_LARGE);
    if (firstValue(fields, ":method") !== "POST") {
      return this.#answerHttp(stream, [[":status", "405"], ["allow", "POST"]]);
    }
    const type = firstValue(fields, "content-type") ?? "";
    if (!ANY_GRPC.test(type)) {
      return this.#answerHttp(stream, [[":status", "415"], ["accept-post", "application/grpc"]]);
    }
    const path = firstValue(fields, ":path") ?? "";
    const method = this.#options.method(path);
    const problem = method === undefined
      ? `The server does not implement the method ${path}`
      : GRPC.test(type)
      ? undefined
      : `Messages must be application/grpc+proto, not ${type}`;
    if (method === undefined || problem !== undefined) {
      return this.#refuse(stream, new RpcError(Status.UNIMPLEMENTED, problem!));
    }
    const { peer, maxMessageBytes } = this.#options;
    const call = new ServerCall(stream, {
      connection: this.#connection,
      method,
      fields,
      peer,
      maxMessageBytes,
      onLeft: (call) => this.#calls.delete(call),
    });
    this.#calls.add(call);
    call.start(endStream);
    return call;
  }

  onGoaway(): void {}
  onPong(): void {}

  onError(error: Http2Error): void {
    this.#broken = error;
    this.close();
  }

  onFault(error: unknown): void {
    log.error("A call of {peer} hit an unexpected error: {error}", {
      peer: this.#options.peer,
      error,
    });
  }

  /** Answers without a handler. */
  #refuse(stream: Stream, error: RpcError): StreamEvents {
    const { maxHeaderListBytes } = this.#connection;
    const block = endingBlock(error, { trailersOnly: true, maxListBytes: maxHeaderListBytes });
    return this.#answer(stream, block);
  }

  #answerHttp(stream: Stream, fields: Field[]): StreamEvents {
    return this.#answer(stream, encodeHeaderList(fields));
  }

  #answer(stream: Stream, block: Uint8Array): StreamEvents {
    this.#connection.headers(stream, block, LAST);
    // Nobody hears what still comes (RFC 9113 §8.1).
    this.#connection.reset(stream, ErrorCode.NO_ERROR);
    return SILENT;
  }
}
