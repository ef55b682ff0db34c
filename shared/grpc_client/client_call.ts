/**
 * One call on a channel, of any of the four kinds: on the wire all are streams of messages both ways.
 *
 * @module
 */
import { MAX_TIMER_MS } from "../async/delay.ts";
import { CallMetadata } from "../grpc/call_metadata.ts";
import { formatTimeout } from "../grpc/timeout.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { MessageStream } from "../grpc_stream/message_stream.ts";
import { ACCEPTED_ENCODINGS } from "../grpc_stream/unpack.ts";
import type { Connection } from "../http2/connection.ts";
import { ErrorCode } from "../http2/frames.ts";
import { type Field, firstValue, type HeaderList, headerListBytes } from "../http2/header_list.ts";
import { encodeHeaderList } from "../http2/hpack/encoder.ts";
import { MORE, type Stream, type StreamEvents } from "../http2/stream.ts";
import { endOfTrailers, HttpAnswerError, isGrpc, streamReset } from "./failures.ts";

export interface ClientCallOptions {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** @default none */
  readonly metadata?: CallMetadata;
  /** From now on; also sent along. @default Infinity */
  readonly timeoutMs?: number;
  /** Cancels the call. @default never */
  readonly signal?: AbortSignal;
}

/** What its connection gives a call. */
export interface ClientCallContext {
  readonly connection: Connection;
  /** How its stream is reset. @default at once */
  readonly reset?: (stream: Stream, code: number) => void;
  readonly maxMessageBytes: number;
  readonly head: {
    readonly authority: string;
    readonly scheme: string;
    readonly userAgent: string;
  };
}

/** What a reader that does not read may leave lying here; the peer stops then. */
const WINDOW_BYTES = 1 << 20;
/** How the call ended. */
export interface CallEnd {
  /** Absent for OK. */
  readonly error?: RpcError;
}

/** One call on a channel: it sends requests, and gives responses, headers and trailers. */
export class ClientCall implements StreamEvents {
  readonly #options: ClientCallOptions;
  readonly #context: ClientCallContext;
  readonly #messages: MessageStream;
  readonly #startMs = performance.now();
  readonly #ended = Promise.withResolvers<CallEnd>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #answered = Promise.withResolvers<void>();
  #stream: Stream | undefined;
  #end: CallEnd | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #headers: CallMetadata | undefined;
  #trailers: CallMetadata | undefined;
  #refused = false;
  readonly #onAbort = () => this.cancel();

  /** Made by {@linkcode Channel.call}, or by code that has a connection of its own and calls `start()`. */
  constructor(options: ClientCallOptions, context: ClientCallContext) {
    this.#options = options;
    this.#context = context;
    const { connection, maxMessageBytes } = context;
    this.#messages = new MessageStream(connection, { maxMessageBytes, windowBytes: WINDOW_BYTES });
    const { signal, timeoutMs = Infinity } = options;
    if (signal?.aborted) this.#finish({ error: cancelled() });
    else {
      signal?.addEventListener("abort", this.#onAbort, { once: true });
      this.#arm(timeoutMs);
    }
  }

  /** Resolves with the status, as soon as it is known; messages may still wait to be read. */
  get ended(): Promise<CallEnd> {
    return this.#ended.promise;
  }

  /** Resolves when the initial metadata is there, or the call has ended. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  /** Bytes that came and wait for the reader. */
  get heldBytes(): number {
    return this.#messages.heldBytes;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Whether the peer certainly did not look at it: it was not sent, or sent back unread. */
  get refused(): boolean {
    return this.#refused;
  }

  /** Initial metadata, once it is there; never when the answer is trailers only. */
  get headers(): CallMetadata | undefined {
    return this.#headers;
  }

  /** Trailing metadata, once it is there. */
  get trailers(): CallMetadata | undefined {
    return this.#trailers;
  }

  /** Sends a message, when the peer takes it. Does nothing once the call has ended. */
  async send(message: Uint8Array): Promise<void> {
    await this.#opened.promise;
    await this.#messages.send(message);
  }

  /** Says that no more messages follow. */
  async endSending(): Promise<void> {
    await this.#opened.promise;
    this.#messages.sendEnd();
  }

  /**
   * The messages that come; the next one is asked for when it is read. Ends with the call, also with a
   * failed one: {@linkcode ended} tells. To leave the loop cancels the call.
   *
   * @throws {RpcError} If a message cannot be unpacked.
   */
  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const message = await this.#messages.next();
        if (message === undefined) return;
        yield message;
      }
    } finally {
      this.cancel();
    }
  }

  /** Ends the call here. Does nothing if it has ended. */
  cancel(): void {
    this.#fail(cancelled());
  }

  /** Called by who made it: opens the stream. */
  start(): void {
    const { connection } = this.#context;
    const head = this.#head();
    if (headerListBytes(head) > connection.maxHeaderListBytes) {
      const most = `the other side takes ${connection.maxHeaderListBytes} bytes of headers`;
      return this.refuse(`The metadata is too large: ${most}`, Status.RESOURCE_EXHAUSTED);
    }
    this.#stream = connection.request(encodeHeaderList(head), MORE, this);
    this.#messages.open(this.#stream);
    this.#opened.resolve();
  }

  /** Called by the channel: the call was not sent, and is not going to be. */
  refuse(reason: string, code: RpcError["code"] = Status.UNAVAILABLE): void {
    if (this.#end !== undefined) return;
    this.#refused = true;
    this.#finish({ error: new RpcError(code, reason) });
  }

  /** Called by the channel: the connection is gone. */
  lose(reason: string): void {
    if (this.#stream === undefined) return this.refuse(reason);
    this.#finish({ error: new RpcError(Status.UNAVAILABLE, reason) });
  }

  onHeaders(_stream: Stream, fields: HeaderList, endStream: boolean): void {
    if (this.#end !== undefined) return;
    const isFirst = this.#headers === undefined;
    if (isFirst && !isGrpc(fields) && firstValue(fields, "grpc-status") === undefined) {
      const error = new HttpAnswerError(fields);
      this.#refused = error.isRefusal;
      return this.#fail(error);
    }
    const metadata = CallMetadata.received(fields);
    if (!endStream) {
      this.#headers = metadata;
      this.#messages.encoding = firstValue(fields, "grpc-encoding") ?? "identity";
      this.#answered.resolve();
      return;
    }
    this.#trailers = metadata;
    const error = endOfTrailers(fields);
    if (error === undefined && this.#messages.isInside) {
      return this.#fail(new RpcError(Status.INTERNAL, "The last message has no end"));
    }
    this.#finish(error === undefined ? {} : { error });
    this.#leave();
  }

  onData(_stream: Stream, piece: Uint8Array, endStream: boolean): void {
    try {
      this.#messages.receive(piece);
    } catch (error) {
      return this.#fail(RpcError.from(error));
    }
    if (endStream) this.#fail(new RpcError(Status.UNKNOWN, "The call ended without a status"));
  }

  onReset(_stream: Stream, code: number, by: "peer" | "us"): void {
    if (this.#end !== undefined) return;
    // Also a GOAWAY says so, of the streams above its last one.
    this.#refused = code === ErrorCode.REFUSED_STREAM && by === "peer";
    this.#finish({ error: streamReset(code, by) });
  }

  onCredit(): void {}

  onDrained(): void {
    this.#messages.drained();
  }

  #head(): Field[] {
    const { authority, scheme, userAgent } = this.#context.head;
    const { path, metadata, timeoutMs = Infinity } = this.#options;
    const leftMs = Math.max(1, timeoutMs - (performance.now() - this.#startMs));
    return [
      [":method", "POST"],
      [":scheme", scheme],
      [":path", path],
      [":authority", authority],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
      ["grpc-accept-encoding", ACCEPTED_ENCODINGS],
      ...(userAgent === "" ? [] : [["user-agent", userAgent] as const]),
      ...(leftMs === Infinity ? [] : [["grpc-timeout", formatTimeout(Math.ceil(leftMs))] as const]),
      ...(metadata?.fields() ?? []),
    ];
  }

  #arm(timeoutMs: number): void {
    if (timeoutMs === Infinity) return;
    const leftMs = timeoutMs - (performance.now() - this.#startMs);
    if (leftMs <= 0) {
      const seconds = (timeoutMs / 1000).toFixed(3);
      this.#refused ||= this.#stream === undefined;
      return this.#fail(
        new RpcError(Status.DEADLINE_EXCEEDED, `Deadline exceeded after ${seconds}s`),
      );
    }
    this.#timer = setTimeout(() => this.#arm(timeoutMs), Math.min(leftMs, MAX_TIMER_MS));
  }

  #fail(error: RpcError): void {
    if (this.#end !== undefined) return;
    this.#finish({ error });
    if (this.#stream !== undefined) this.#reset(this.#stream, ErrorCode.CANCEL);
  }

  /** The peer has said all: it need not hear the rest of ours. */
  #leave(): void {
    const stream = this.#stream;
    if (stream === undefined || stream.localEnd) return;
    this.#reset(stream, ErrorCode.NO_ERROR);
  }

  #reset(stream: Stream, code: number): void {
    const { connection, reset } = this.#context;
    if (reset === undefined) connection.reset(stream, code);
    else reset(stream, code);
  }

  #finish(end: CallEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#opened.resolve();
    this.#answered.resolve();
    this.#ended.resolve(end);
    this.#messages.endReceiving();
    this.#messages.endSending();
  }
}

function cancelled(): RpcError {
  return new RpcError(Status.CANCELLED, "Cancelled on client");
}
