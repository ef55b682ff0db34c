/**
 * An HTTP/2 connection without I/O (RFC 9113): bytes in by `receive()`, events out by
 * callbacks, bytes out by `take()`. One machine for both roles.
 *
 *     socket ──receive()──▶ FrameReader ─▶ Receiver ─▶ ConnectionEvents, StreamEvents
 *                                             │
 *                                          Streams
 *                                             │
 *     socket ◀──take()───── OutBuffer ◀──── Sender ◀── request(), headers(), data(), …
 *
 * There are no timers inside either: the owner calls `tick()` once a second.
 *
 * @module
 */
import type { ConnectionEvents } from "./connection_events.ts";
import { FloodGuard, type FloodLimits } from "./flood_guard.ts";
import { FrameReader } from "./frame_reader.ts";
import {
  ErrorCode,
  errorName,
  FrameType,
  Http2Error,
  MAX_STREAM_ID,
  MAX_WINDOW,
  PREFACE,
  Setting,
  writeUint32,
} from "./frames.ts";
import { HpackError } from "./hpack/errors.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";
import { encodeSettings } from "./settings.ts";
import type { Stream, StreamEvents } from "./stream.ts";
import { StreamFaults } from "./stream_faults.ts";
import { Streams } from "./streams.ts";

export type { ConnectionEvents };

/** Bounds and sizes of a connection. */
export interface ConnectionOptions {
  readonly role: "client" | "server";
  /**
   * Streams that the peer may have open at once (server role).
   *
   * @default {1000}
   */
  readonly maxConcurrentStreams?: number;
  /**
   * Bytes that the peer may have sent, over all streams, before we say `consumed()`.
   *
   * @default {4 MiB}
   */
  readonly connectionWindow?: number;
  /**
   * The largest header list that we take, in bytes as RFC 9113 §6.5.2 counts them.
   *
   * @default {32 KiB}
   */
  readonly maxHeaderListBytes?: number;
  /** How often frames may come that cost their sender nothing. @default FLOOD_LIMITS */
  readonly floodLimits?: FloodLimits | undefined;
}

const DEFAULT_MAX_STREAMS = 1000;
const DEFAULT_CONNECTION_WINDOW = 4 << 20;
const DEFAULT_MAX_HEADER_LIST_BYTES = 32 << 10;
/** A client gives up a connection whose ids are nearly used up, in time for a new one. */
const LAST_COMFORTABLE_ID = 2 ** 30;

/**
 * One HTTP/2 connection without I/O, client or server: bytes in, events and bytes out. Methods do
 * nothing once the connection has failed or the stream is closed.
 */
export class Connection {
  readonly #events: ConnectionEvents;
  readonly #options: Required<Omit<ConnectionOptions, "floodLimits">>;
  readonly #flood: FloodGuard;
  readonly #sender: Sender;
  readonly #streams: Streams;
  readonly #faults: StreamFaults;
  readonly #receiver: Receiver;
  readonly #reader: FrameReader;
  /** Bytes of the client's preface that have not come. */
  #prefaceLeft: number;
  #failed = false;

  constructor(events: ConnectionEvents, options: ConnectionOptions) {
    this.#events = events;
    this.#options = {
      maxConcurrentStreams: DEFAULT_MAX_STREAMS,
      connectionWindow: DEFAULT_CONNECTION_WINDOW,
      maxHeaderListBytes: DEFAULT_MAX_HEADER_LIST_BYTES,
      ...options,
    };
    const isServer = options.role === "server";
    const flood = new FloodGuard(options.floodLimits);
    this.#flood = flood;
    const sender = new Sender(
      (stream) => streams.settle(stream),
      (urgent) => events.onOutput(urgent),
    );
    const streams = new Streams(sender, { isServer });
    const faults = new StreamFaults(events, streams, flood);
    this.#sender = sender;
    this.#streams = streams;
    this.#faults = faults;
    this.#receiver = new Receiver({ events, sender, streams, faults, flood }, this.#options);
    this.#reader = new FrameReader(this.#receiver);
    this.#prefaceLeft = isServer ? PREFACE.length : 0;
  }

  /** Open and half-closed streams. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Client role: whether `request()` may be called now. */
  get canRequest(): boolean {
    return !this.#failed && !this.#receiver.goawayReceived &&
      this.#streams.nextId < MAX_STREAM_ID &&
      this.#streams.size < this.#sender.peer.maxConcurrentStreams;
  }

  /** Client role: streams that the peer lets us have open at once. */
  get maxRequests(): number {
    return this.#sender.peer.maxConcurrentStreams;
  }

  /**
   * The largest header list that the peer takes, in bytes as `headerListBytes` counts them. Some peers
   * end the whole connection for a larger one: the owner must not send it.
   */
  get maxHeaderListBytes(): number {
    return this.#sender.peer.maxHeaderListBytes;
  }

  /** Whether the peer has said what it accepts. */
  get settingsReceived(): boolean {
    return this.#sender.peer.told;
  }

  /** Client role: so many streams were opened that the connection should be replaced. */
  get isWornOut(): boolean {
    return this.#streams.nextId > LAST_COMFORTABLE_ID;
  }

  /**
   * Whether the header section of the event under way is one that came before, as the same list
   * object: only then is it worth while to keep what was derived from it.
   */
  get fieldsRepeated(): boolean {
    return this.#receiver.headers.repeated;
  }

  /** Bytes that wait to be taken. */
  get outputBytes(): number {
    return this.#sender.out.bytes;
  }

  /** These, and what waits at its stream until it may go. */
  get waitingBytes(): number {
    return this.#sender.waitingBytes;
  }

  /** Bytes of the peer that are kept because more must come: a frame, or a header section. */
  get unfinishedBytes(): number {
    return this.#reader.gatheredBytes + this.#receiver.headers.gatheredBytes;
  }

  /** The stream whose header section is not complete: no other frame may come before its end. */
  get unfinishedSection(): number | undefined {
    return this.#receiver.headers.continues;
  }

  /** Sends the preface (client role), our SETTINGS, and the connection's window. Call once, first. */
  start(): void {
    const { maxConcurrentStreams, maxHeaderListBytes } = this.#options;
    const { isServer } = this.#streams;
    if (!isServer) this.#sender.preface();
    const payload = encodeSettings([
      isServer ? [Setting.MAX_CONCURRENT_STREAMS, maxConcurrentStreams] : [Setting.ENABLE_PUSH, 0],
      [Setting.MAX_HEADER_LIST_SIZE, maxHeaderListBytes],
    ]);
    this.#sender.frame(FrameType.SETTINGS, 0, 0, payload);
    this.#receiver.data.start();
  }

  /**
   * Takes the peer's bytes, cut anywhere. Never throws for what a peer sent.
   *
   * @param maxFrames How many frames at most, for a caller that has others to serve meanwhile.
   * @returns How many of the bytes were taken; the others are to be given again.
   */
  receive(bytes: Uint8Array, maxFrames: number = Infinity): number {
    if (this.#failed) return bytes.length;
    try {
      if (this.#prefaceLeft === 0) return this.#reader.push(bytes, maxFrames);
      const rest = this.#readPreface(bytes);
      return bytes.length - rest.length + this.#reader.push(rest, maxFrames);
    } catch (error) {
      if (error instanceof Http2Error) this.#fail(error);
      else if (error instanceof HpackError) {
        this.#fail(new Http2Error(ErrorCode.COMPRESSION_ERROR, error.message));
      } else throw error;
    }
    return bytes.length;
  }

  /** Everything that waits to be sent: see `OutBuffer.take()`. Until nothing is left. */
  take(): Uint8Array[] {
    this.#flood.taken();
    return this.#sender.take();
  }

  /** Begins a new second for the bounds on floods. */
  tick(): void {
    this.#flood.tick();
  }

  /**
   * Client role: opens a stream. Look at `canRequest` before.
   *
   * @param block The encoded header section.
   * @param endStream {@linkcode LAST} or {@linkcode MORE}, as in `headers` and `data`.
   */
  request(block: Uint8Array, endStream: boolean, events: StreamEvents): Stream {
    const stream = this.#streams.openOwn(events);
    this.#sender.headers(stream, block, endStream);
    return stream;
  }

  /** Sends a header section on a stream: a response, or trailers. */
  headers(stream: Stream, block: Uint8Array, endStream: boolean): void {
    if (this.#canSend(stream)) this.#sender.headers(stream, block, endStream);
  }

  /** Sends DATA: as much as can go now; the rest waits, and `onDrained` tells when some has gone. */
  data(stream: Stream, bytes: Uint8Array, endStream: boolean): void {
    if (this.#canSend(stream)) this.#sender.data(stream, bytes, endStream);
  }

  /** Ends a stream at once, both ways. Its events hear nothing of it but `onDrained`. */
  reset(stream: Stream, code: number): void {
    if (!this.#failed) this.#streams.reset(stream, code);
  }

  /** Lets the peer send more on a stream, as far as a window can grow. */
  grant(stream: Stream, bytes: number): void {
    if (this.#failed || stream.closed || stream.remoteEnd) return;
    const grown = Math.min(bytes, MAX_WINDOW - stream.recvWindow);
    if (grown <= 0) return;
    stream.recvWindow += grown;
    this.#sender.frame32(FrameType.WINDOW_UPDATE, stream.id, grown);
  }

  /** Says that bytes of DATA no longer occupy us: gives the connection's window back. */
  consumed(bytes: number): void {
    if (!this.#failed) this.#receiver.data.consumed(bytes);
  }

  /** Asks the peer for a sign of life. */
  ping(): void {
    if (!this.#failed) this.#sender.frame(FrameType.PING, 0, 0, new Uint8Array(8));
  }

  /**
   * Tells the peer to open no more streams.
   *
   * @param now False: streams that are on their way are still taken (RFC 9113 §6.8).
   */
  goaway(code: number = ErrorCode.NO_ERROR, { now = true, debug = "" } = {}): void {
    if (this.#failed) return;
    if (now) this.#streams.acceptNoMore();
    const text = new TextEncoder().encode(debug);
    const payload = new Uint8Array(8 + text.length);
    writeUint32(payload, 0, now ? this.#streams.lastPeerId : MAX_STREAM_ID);
    writeUint32(payload, 4, code);
    payload.set(text, 8);
    this.#sender.frame(FrameType.GOAWAY, 0, 0, payload);
  }

  /** The socket is gone: ends every stream, whose events hear `onReset` by "us" with this code. */
  abort(code: number): void {
    this.#failed = true;
    this.#reader.stop();
    for (const stream of this.#streams.list()) {
      if (stream.closed) continue;
      this.#streams.remove(stream);
      this.#faults.tellReset(stream, code, "us");
    }
  }

  /** Returns what comes after the preface. */
  #readPreface(bytes: Uint8Array): Uint8Array {
    let at = 0;
    while (this.#prefaceLeft > 0 && at < bytes.length) {
      if (bytes[at++] !== PREFACE[PREFACE.length - this.#prefaceLeft--]) {
        throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "Preface is not that of HTTP/2");
      }
    }
    return bytes.subarray(at);
  }

  #canSend(stream: Stream): boolean {
    return !this.#failed && !stream.closed && !stream.localEnd && stream.queuedEnd === undefined;
  }

  #fail(error: Http2Error): void {
    this.goaway(error.code, { debug: `${errorName(error.code)}: ${error.message}` });
    this.#failed = true;
    this.#events.onError(error);
  }
}
