/**
 * One call on a channel, of any of the four kinds: on the wire all are streams of messages both ways.
 *
 * @module
 */
import { formatTimeout } from "../grpc/timeout.ts";
import { prefixMessage } from "../grpc/message_prefix.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import type { Connection } from "../http2/connection.ts";
import { ErrorCode } from "../http2/frames.ts";
import { type Field, firstValue, type HeaderList, headerListBytes } from "../http2/header_list.ts";
import { encodeHeaderList } from "../http2/hpack/encoder.ts";
import type { Stream, StreamEvents } from "../http2/stream.ts";
import { HttpAnswerError, isGrpc, resetError, statusOf } from "./failures.ts";
import { ACCEPTED_ENCODINGS, MessageAssembler, type Packed, unpack } from "./message_assembler.ts";
import { CallMetadata } from "../grpc/call_metadata.ts";

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

/** What the channel gives its calls. */
export interface ClientCallContext {
  readonly connection: Connection;
  readonly maxMessageBytes: number;
  readonly head: {
    readonly authority: string;
    readonly scheme: string;
    readonly userAgent: string;
  };
}

/** What a reader that does not read may leave lying here; the peer stops then. */
const WINDOW_BYTES = 1 << 20;
/** The window that each stream has from the start. */
const FIRST_WINDOW_BYTES = 65_535;
/** Bytes that may wait to be sent before `send()` waits. */
const SEND_BYTES = 64 << 10;
/** `setTimeout` takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** How the call ended. */
export interface End {
  /** Absent for OK. */
  readonly error?: RpcError;
}

/** See the module's head. */
export class ClientCall implements StreamEvents {
  readonly #options: ClientCallOptions;
  readonly #context: ClientCallContext;
  readonly #assembler: MessageAssembler;
  readonly #startMs = performance.now();
  readonly #ended = Promise.withResolvers<End>();
  readonly #opened = Promise.withResolvers<void>();
  #stream: Stream | undefined;
  #end: End | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #headers: CallMetadata | undefined;
  #trailers: CallMetadata | undefined;
  #encoding = "identity";
  #refused = false;
  #queue: Packed[] = [];
  #queuedBytes = 0;
  /** Credit that the peer gets when there is room again. */
  #owed = 0;
  #wakeReader = () => {};
  #wakeWriter = () => {};
  readonly #onAbort = () => this.cancel();

  /** Made by {@linkcode Channel.call} alone. */
  constructor(options: ClientCallOptions, context: ClientCallContext) {
    this.#options = options;
    this.#context = context;
    this.#assembler = new MessageAssembler(context.maxMessageBytes);
    const { signal, timeoutMs = Infinity } = options;
    if (signal?.aborted) this.#finish({ error: cancelled() });
    else {
      signal?.addEventListener("abort", this.#onAbort, { once: true });
      this.#arm(timeoutMs);
    }
  }

  /** Resolves with the status, as soon as it is known; messages may still wait to be read. */
  get ended(): Promise<End> {
    return this.#ended.promise;
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
    const stream = this.#stream;
    if (stream === undefined || this.#end !== undefined) return;
    this.#context.connection.data(stream, prefixMessage(message), false);
    while (stream.queuedBytes > SEND_BYTES && this.#end === undefined) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
  }

  /** Says that no more messages follow. */
  async endSending(): Promise<void> {
    await this.#opened.promise;
    const stream = this.#stream;
    if (stream === undefined || this.#end !== undefined) return;
    this.#context.connection.data(stream, new Uint8Array(), true);
  }

  /**
   * The messages that come; the next one is asked for when it is read. Ends with the call, also with a
   * failed one: {@linkcode ended} tells. To leave the loop cancels the call.
   *
   * @throws {RpcError} If a message cannot be unpacked.
   */
  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    const { maxMessageBytes: maxBytes } = this.#context;
    try {
      for (;;) {
        const packed = this.#queue.shift();
        if (packed !== undefined) {
          yield await unpack(packed, { encoding: this.#encoding, maxBytes });
          this.#queuedBytes -= packed.bytes.length;
          this.#grant();
        } else if (this.#end !== undefined) return;
        else await new Promise<void>((resolve) => this.#wakeReader = resolve);
      }
    } finally {
      this.cancel();
    }
  }

  /** Ends the call here. Does nothing if it has ended. */
  cancel(): void {
    this.#fail(cancelled());
  }

  /** Called by the channel: opens the stream. */
  start(): void {
    const { connection } = this.#context;
    const head = this.#head();
    if (headerListBytes(head) > connection.maxHeaderListBytes) {
      const most = `the other side takes ${connection.maxHeaderListBytes} bytes of headers`;
      return this.refuse(`The metadata is too large: ${most}`, Status.RESOURCE_EXHAUSTED);
    }
    this.#stream = connection.request(encodeHeaderList(head), false, this);
    connection.grant(this.#stream, WINDOW_BYTES - FIRST_WINDOW_BYTES);
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
      this.#encoding = firstValue(fields, "grpc-encoding") ?? "identity";
      return;
    }
    this.#trailers = metadata;
    const error = statusOf(fields);
    if (error === undefined && this.#assembler.isInside) {
      return this.#fail(new RpcError(Status.INTERNAL, "The last message has no end"));
    }
    this.#finish(error === undefined ? {} : { error });
    this.#leave();
  }

  onData(_stream: Stream, piece: Uint8Array, endStream: boolean): void {
    const { connection } = this.#context;
    // The connection's window is for all calls: each has one of its own that it must not exceed.
    connection.consumed(piece.length);
    if (this.#end !== undefined) return;
    try {
      for (const packed of this.#assembler.push(piece)) {
        this.#queue.push(packed);
        this.#queuedBytes += packed.bytes.length;
      }
    } catch (error) {
      return this.#fail(RpcError.from(error));
    }
    this.#owed += piece.length;
    this.#grant();
    this.#wakeReader();
    if (endStream) this.#fail(new RpcError(Status.UNKNOWN, "The call ended without a status"));
  }

  onReset(_stream: Stream, code: number, by: "peer" | "us"): void {
    if (this.#end !== undefined) return;
    // Also a GOAWAY says so, of the streams above its last one.
    this.#refused = code === ErrorCode.REFUSED_STREAM && by === "peer";
    this.#finish({ error: resetError(code, by) });
  }

  onCredit(): void {}

  onDrained(): void {
    this.#wakeWriter();
  }

  #grant(): void {
    if (this.#queuedBytes > WINDOW_BYTES || this.#owed === 0 || this.#stream === undefined) return;
    this.#context.connection.grant(this.#stream, this.#owed);
    this.#owed = 0;
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
    if (this.#stream !== undefined) {
      this.#context.connection.reset(this.#stream, ErrorCode.CANCEL);
    }
  }

  /** The peer has said all: it need not hear the rest of ours. */
  #leave(): void {
    const stream = this.#stream;
    if (stream === undefined || stream.localEnd) return;
    this.#context.connection.reset(stream, ErrorCode.NO_ERROR);
  }

  #finish(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#opened.resolve();
    this.#ended.resolve(end);
    this.#wakeReader();
    this.#wakeWriter();
  }
}

function cancelled(): RpcError {
  return new RpcError(Status.CANCELLED, "Cancelled on client");
}
