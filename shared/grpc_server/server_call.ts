/**
 * One call that is served, of any of the four kinds.
 *
 * | what happens                       | the handler                | the caller gets                  |
 * | ---------------------------------- | -------------------------- | -------------------------------- |
 * | the handler returns                | –                          | the answer, OK                   |
 * | … while the caller still sends     | –                          | the same, then RST NO_ERROR      |
 * | it throws                          | –                          | what was sent, then the status   |
 * | the deadline passes                | `signal` aborts            | `DEADLINE_EXCEEDED`              |
 * | … and the caller reads too slowly  | the same                   | RST CANCEL: nothing waits longer |
 * | the caller cancels, or is lost     | the same                   | –                                |
 * | a request is none, or too large    | the same                   | `INTERNAL`, `RESOURCE_EXHAUSTED` |
 * | not one request where there is one | is not called              | `UNIMPLEMENTED`                  |
 * | the caller does not read           | `send` waits, in its place | –                                |
 *
 * @module
 */
import { MAX_TIMER_MS } from "../async/delay.ts";
import type protobuf from "protobufjs";
import { CallMetadata } from "../grpc/call_metadata.ts";
import { type CallContext, type Handler, reportThrown, returnedOnAbort } from "../grpc/handlers.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { decodeMessage, encodeMessage } from "../grpc/service.ts";
import { Status } from "../grpc/status.ts";
import { readTimeout } from "../grpc/timeout.ts";
import { MessageStream } from "../grpc_stream/message_stream.ts";
import { ACCEPTED_ENCODINGS, canUnpack } from "../grpc_stream/unpack.ts";
import type { Connection } from "../http2/connection.ts";
import { DEFAULT_WINDOW, ErrorCode } from "../http2/frames.ts";
import { type Field, firstValue, type HeaderList, headerListBytes } from "../http2/header_list.ts";
import { encodeHeaderList } from "../http2/hpack/encoder.ts";
import { LAST, MORE, type Stream, type StreamEvents } from "../http2/stream.ts";
import { ANSWER_HEAD, endingBlock } from "./ending.ts";

/** A method that is served. */
export interface ServedMethod {
  readonly path: string;
  readonly handler: Handler;
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
}

/** What its connection gives a call. */
export interface ServerCallOptions {
  readonly connection: Connection;
  readonly method: ServedMethod;
  /** The request's header section. */
  readonly fields: HeaderList;
  readonly peer: string;
  readonly maxMessageBytes: number;
  /** Called once: nothing of the call is left. */
  onLeft(call: ServerCall): void;
}

const NONE = new CallMetadata();

/** One call that is served, of any of the four kinds. */
export class ServerCall implements StreamEvents, CallContext {
  readonly metadata: CallMetadata;
  readonly trailers: CallMetadata = new CallMetadata();
  readonly deadlineMs?: number;
  readonly peer: string;
  readonly #options: ServerCallOptions;
  readonly #stream: Stream;
  readonly #messages: MessageStream;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How it ended, as far as the handler is concerned. */
  #isOver = false;
  #left = false;

  /** Made by {@linkcode ServedConnection} alone. */
  constructor(stream: Stream, options: ServerCallOptions) {
    this.#stream = stream;
    this.#options = options;
    const { connection, fields, peer, maxMessageBytes } = options;
    this.#messages = new MessageStream(connection, {
      maxMessageBytes,
      windowBytes: DEFAULT_WINDOW,
    });
    this.metadata = CallMetadata.received(fields);
    this.peer = peer;
    const leftMs = readTimeout(firstValue(fields, "grpc-timeout"));
    if (leftMs === undefined) return;
    this.deadlineMs = Date.now() + leftMs;
    // A call that may last 24.8 days has no timer.
    if (leftMs <= MAX_TIMER_MS) this.#timer = setTimeout(() => this.#onDeadline(), leftMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What is kept of its requests; its answer's bytes are the connection's. */
  get heldBytes(): number {
    return this.#messages.heldBytes;
  }

  /** Bytes of its answer that the caller has not read. */
  get unreadBytes(): number {
    return this.#stream.queuedBytes;
  }

  /** @ignore Called by its connection. */
  start(endStream: boolean): void {
    const { fields } = this.#options;
    this.#messages.open(this.#stream);
    this.#messages.encoding = firstValue(fields, "grpc-encoding") ?? "identity";
    if (endStream) this.#messages.endReceiving();
    void this.#run();
  }

  sendHeaders(metadata: CallMetadata = NONE): void {
    const stream = this.#stream;
    if (stream.headersSent || stream.closed || this.#isOver) return;
    const { connection } = this.#options;
    const head: Field[] = [
      ...ANSWER_HEAD,
      ["grpc-accept-encoding", ACCEPTED_ENCODINGS],
      ...metadata.fields(),
    ];
    const bytes = headerListBytes(head), max = connection.maxHeaderListBytes;
    if (bytes > max) {
      const message = `The answer has ${bytes} bytes of metadata, the caller takes ${max}`;
      throw new RpcError(Status.RESOURCE_EXHAUSTED, message);
    }
    connection.headers(stream, encodeHeaderList(head), MORE);
  }

  // ---- StreamEvents

  /** Request trailers mean nothing in gRPC; they end the request all the same. */
  onHeaders(): void {
    this.#requestsEnded();
  }

  onData(_stream: Stream, piece: Uint8Array, endStream: boolean): void {
    try {
      this.#messages.receive(piece);
    } catch (error) {
      return this.#finish(RpcError.from(error));
    }
    if (endStream) this.#requestsEnded();
  }

  onReset(): void {
    this.#over(new RpcError(Status.CANCELLED, "Cancelled by the caller"));
    this.#leave();
  }

  onCredit(): void {}

  onDrained(): void {
    this.#messages.drained();
    this.#settle();
  }

  // ---- The handler

  async #run(): Promise<void> {
    const { handler, path } = this.#options.method;
    const lost = (error: unknown) => reportThrown(error, path, this.signal);
    try {
      this.#checkEncoding();
      switch (handler.kind) {
        case "unary":
          await this.#send(await handler.handle(await this.#onlyRequest() as never, this));
          break;
        case "clientStream":
          await this.#send(await handler.handle(this.#requests(), this));
          break;
        case "serverStream": {
          const request = await this.#onlyRequest() as never;
          await this.#sendAll(returnedOnAbort(handler.handle(request, this), this.signal, lost));
          break;
        }
        case "bidi":
          await this.#sendAll(
            returnedOnAbort(handler.handle(this.#requests(), this), this.signal, lost),
          );
      }
      this.#finish(undefined);
    } catch (error) {
      lost(error);
      this.#finish(RpcError.from(error));
    }
  }

  /** gRPC wants the caller to be told what it may use. */
  #checkEncoding(): void {
    const { encoding } = this.#messages;
    if (canUnpack(encoding)) return;
    this.sendHeaders();
    const message = `Messages are compressed by "${encoding}", not one of ${ACCEPTED_ENCODINGS}`;
    throw new RpcError(Status.UNIMPLEMENTED, message);
  }

  async #send(response: unknown): Promise<void> {
    if (this.#isOver) return;
    const bytes = encodeMessage(this.#options.method.response, response as object);
    this.sendHeaders();
    await this.#messages.send(bytes);
  }

  async #sendAll(responses: AsyncIterable<unknown>): Promise<void> {
    for await (const response of responses) {
      if (this.#isOver) return;
      await this.#send(response);
    }
    this.sendHeaders();
  }

  /** The one request of a call that has one. */
  async #onlyRequest(): Promise<object> {
    const first = await this.#messages.next();
    const second = first && await this.#messages.next();
    this.signal.throwIfAborted();
    if (first !== undefined && second === undefined) return this.#decode(first);
    const { path } = this.#options.method;
    const sent = first === undefined ? "none" : "more";
    throw new RpcError(Status.UNIMPLEMENTED, `${path} takes one request, the caller sent ${sent}`);
  }

  async *#requests(): AsyncGenerator<never, void, undefined> {
    for (let next; (next = await this.#messages.next()) !== undefined;) {
      this.signal.throwIfAborted();
      yield this.#decode(next) as never;
    }
    this.signal.throwIfAborted();
  }

  #decode(bytes: Uint8Array): object {
    const { request } = this.#options.method;
    try {
      return decodeMessage(request, bytes);
    } catch (error) {
      const message = `The request is no ${request.fullName.slice(1)}`;
      throw new RpcError(Status.INTERNAL, message, { cause: error });
    }
  }

  // ---- The end

  #requestsEnded(): void {
    this.#messages.endReceiving();
    if (!this.#messages.isInside) return;
    this.#finish(new RpcError(Status.INTERNAL, "The last request has no end"));
  }

  #onDeadline(): void {
    const error = new RpcError(Status.DEADLINE_EXCEEDED, "Deadline exceeded");
    if (this.unreadBytes === 0) return this.#finish(error);
    this.#over(error);
    this.#options.connection.reset(this.#stream, ErrorCode.CANCEL);
    this.#leave();
  }

  /** Ends the call, whatever its handler still does. */
  #finish(error: RpcError | undefined): void {
    if (this.#isOver) return;
    const { connection } = this.#options;
    const block = endingBlock(error, {
      trailersOnly: !this.#stream.headersSent,
      maxListBytes: connection.maxHeaderListBytes,
      trailers: this.trailers,
    });
    this.#over(error ?? new RpcError(Status.CANCELLED, "The call has ended"));
    connection.headers(this.#stream, block, LAST);
    this.#settle();
  }

  /** The handler is told, and nothing that it still does has an effect. */
  #over(reason: RpcError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#messages.close();
    this.#controller.abort(reason);
  }

  /** When all has left: what the caller still sends, nobody hears (RFC 9113 §8.1). */
  #settle(): void {
    if (!this.#stream.localEnd) return;
    this.#options.connection.reset(this.#stream, ErrorCode.NO_ERROR);
    this.#leave();
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    clearTimeout(this.#timer);
    this.#options.onLeft(this);
  }
}
