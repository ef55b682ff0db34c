/**
 * An HTTP/2 connection without I/O (RFC 9113): bytes in by `receive()`, events out by
 * callbacks, bytes out by `take()`. One machine for both roles.
 *
 *     socket ──receive()──▶ FrameReader ─▶ Connection ─▶ ConnectionEvents, StreamEvents
 *     socket ◀──take()──── OutBuffer ◀─── Sender ◀────── request(), headers(), data(), …
 *
 * There are no timers inside either: the owner calls `tick()` once a second.
 *
 * @module
 */
import {
  DEFAULT_WINDOW,
  ErrorCode,
  errorName,
  Flag,
  FrameType,
  Http2Error,
  MAX_STREAM_ID,
  MAX_WINDOW,
  PREFACE,
  readUint31,
  readUint32,
  Setting,
  writeUint32,
} from "./frames.ts";
import { FloodGuard } from "./flood_guard.ts";
import { FrameReader, type FrameSink } from "./frame_reader.ts";
import { HeaderBlock } from "./header_block.ts";
import type { HeaderList } from "./header_list.ts";
import { contentLength, requestProblem, responseProblem, trailersProblem } from "./header_rules.ts";
import { HeaderListTooLargeError, HpackError } from "./hpack/errors.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { unpad } from "./padding.ts";
import { type HowClosed, RecentIds } from "./recent_ids.ts";
import { Sender } from "./sender.ts";
import { applySettings, encodeSettings } from "./settings.ts";
import { Stream, type StreamEvents } from "./stream.ts";

/** What happens to the connection as a whole. */
export interface ConnectionEvents {
  /** There are bytes to `take()`, where there were none. */
  onOutput(): void;
  /**
   * Server role: a call begins. The answer says who hears of its stream. `fields` is `undefined`
   * when they were over `maxHeaderListBytes`: answer, nothing else is known.
   */
  onRequest(stream: Stream, fields: HeaderList | undefined, endStream: boolean): StreamEvents;
  /** The peer will take no more streams; those above `lastId` were reset with `REFUSED_STREAM`. */
  onGoaway(lastId: number, code: number, debug: string): void;
  /** The peer answered a `ping()`. */
  onPong(): void;
  /** Connection error: a GOAWAY is in the output, nothing more is received. */
  onError(error: Http2Error): void;
}

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
}

const DEFAULT_MAX_STREAMS = 1000;
const DEFAULT_CONNECTION_WINDOW = 4 << 20;
const DEFAULT_MAX_HEADER_LIST_BYTES = 32 << 10;
/** A client gives up a connection whose ids are nearly used up, in time for a new one. */
const LAST_COMFORTABLE_ID = 2 ** 30;

const NO_BYTES = new Uint8Array();

/** See the module's head. Methods do nothing once the connection has failed or the stream is closed. */
export class Connection implements FrameSink {
  readonly #events: ConnectionEvents;
  readonly #options: Required<ConnectionOptions>;
  readonly #isServer: boolean;
  readonly #reader: FrameReader = new FrameReader(this);
  readonly #sender: Sender;
  readonly #decoder: HpackDecoder;
  readonly #flood = new FloodGuard();
  readonly #streams = new Map<number, Stream>();
  readonly #recent = new RecentIds();
  /** The header block that is being received, if CONTINUATION must follow. */
  #block: HeaderBlock | undefined;
  #prefaceLeft: number;
  #settingsReceived = false;
  #nextId = 1;
  #lastPeerId = 0;
  /** Streams above this are not taken: we have said so in a GOAWAY. */
  #acceptUpTo = MAX_STREAM_ID;
  #goawayReceived = false;
  #failed = false;
  #recvWindow = DEFAULT_WINDOW;
  /** Consumed, and not yet given back to the peer. */
  #consumed = 0;
  /** The stream of the DATA frame that is being received, and whether the frame ends it. */
  #dataStream: Stream | undefined;
  #dataEnds = false;

  constructor(events: ConnectionEvents, options: ConnectionOptions) {
    this.#events = events;
    this.#options = {
      maxConcurrentStreams: DEFAULT_MAX_STREAMS,
      connectionWindow: DEFAULT_CONNECTION_WINDOW,
      maxHeaderListBytes: DEFAULT_MAX_HEADER_LIST_BYTES,
      ...options,
    };
    this.#isServer = options.role === "server";
    this.#prefaceLeft = this.#isServer ? PREFACE.length : 0;
    this.#sender = new Sender((stream) => this.#settle(stream), () => events.onOutput());
    this.#decoder = new HpackDecoder({ maxListBytes: this.#options.maxHeaderListBytes });
  }

  /** Open and half-closed streams. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Client role: whether `request()` may be called now. */
  get canRequest(): boolean {
    return !this.#failed && !this.#goawayReceived && this.#nextId < MAX_STREAM_ID &&
      this.#streams.size < this.#sender.peer.maxConcurrentStreams;
  }

  /** Client role: so many streams were opened that the connection should be replaced. */
  get isWornOut(): boolean {
    return this.#nextId > LAST_COMFORTABLE_ID;
  }

  /** What the peer lets each new stream send. */
  get peerInitialWindow(): number {
    return this.#sender.peer.initialWindow;
  }

  /**
   * Whether the header section of the event under way is one that came before, as the same list
   * object: only then is it worth while to keep what was derived from it.
   */
  get fieldsRepeated(): boolean {
    return this.#decoder.repeated;
  }

  /** Bytes that wait to be taken. */
  get outputBytes(): number {
    return this.#sender.out.bytes;
  }

  /** Sends the preface (client role), our SETTINGS, and the connection's window. Call once, first. */
  start(): void {
    const { connectionWindow, maxConcurrentStreams, maxHeaderListBytes } = this.#options;
    if (!this.#isServer) {
      this.#events.onOutput();
      this.#sender.out.write(PREFACE);
    }
    const own: [number, number][] = this.#isServer
      ? [[Setting.MAX_CONCURRENT_STREAMS, maxConcurrentStreams]]
      : [[Setting.ENABLE_PUSH, 0]];
    own.push([Setting.MAX_HEADER_LIST_SIZE, maxHeaderListBytes]);
    this.#sender.frame(FrameType.SETTINGS, 0, 0, encodeSettings(own));
    if (connectionWindow > DEFAULT_WINDOW) {
      this.#recvWindow = connectionWindow;
      this.#sender.frame32(FrameType.WINDOW_UPDATE, 0, connectionWindow - DEFAULT_WINDOW);
    }
  }

  /** Takes the peer's bytes, cut anywhere. Never throws for what a peer sent. */
  receive(bytes: Uint8Array): void {
    if (this.#failed) return;
    try {
      let at = 0;
      while (this.#prefaceLeft > 0 && at < bytes.length) {
        if (bytes[at++] !== PREFACE[PREFACE.length - this.#prefaceLeft--]) {
          throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "Preface is not that of HTTP/2");
        }
      }
      this.#reader.push(at === 0 ? bytes : bytes.subarray(at));
    } catch (error) {
      if (error instanceof Http2Error) this.#fail(error);
      else if (error instanceof HpackError) {
        this.#fail(new Http2Error(ErrorCode.COMPRESSION_ERROR, error.message));
      } else throw error;
    }
  }

  /** Everything that waits to be sent: see `OutBuffer.take()`. */
  take(): Uint8Array[] {
    this.#flood.taken();
    return this.#sender.out.take();
  }

  /** Begins a new second for the bounds on floods. */
  tick(): void {
    this.#flood.tick();
  }

  /**
   * Client role: opens a stream. Look at `canRequest` before.
   *
   * @param block The encoded header section.
   */
  request(block: Uint8Array, endStream: boolean, events: StreamEvents): Stream {
    const stream = this.#open(this.#nextId, events);
    this.#nextId += 2;
    this.#sender.headers(stream, block, endStream);
    return stream;
  }

  /** Sends a header section on a stream: a response, or trailers. */
  headers(stream: Stream, block: Uint8Array, endStream: boolean): void {
    if (!this.#canSend(stream)) return;
    this.#sender.headers(stream, block, endStream);
  }

  /**
   * Sends DATA.
   *
   * @returns How many of the bytes had to be queued; `onDrained` tells when they have left.
   */
  data(stream: Stream, bytes: Uint8Array, endStream: boolean): number {
    if (!this.#canSend(stream)) return 0;
    return this.#sender.data(stream, bytes, endStream);
  }

  /** Ends a stream at once, both ways. Its events hear nothing of it. */
  reset(stream: Stream, code: number): void {
    if (this.#failed || stream.closed) return;
    this.#sender.frame32(FrameType.RST_STREAM, stream.id, code);
    this.#remember(stream.id, "reset");
    this.#remove(stream);
  }

  /** Lets the peer send more on a stream, as far as a window can grow. */
  grant(stream: Stream, bytes: number): void {
    if (this.#failed || stream.closed || stream.remoteEnd) return;
    const grown = Math.min(bytes, MAX_WINDOW - stream.recvWindow);
    if (grown <= 0) return;
    stream.recvWindow += grown;
    this.#sender.frame32(FrameType.WINDOW_UPDATE, stream.id, grown);
  }

  /** Says that bytes of DATA no longer occupy us: gives the connection's window back, in large steps. */
  consumed(bytes: number): void {
    this.#consumed += bytes;
    if (this.#failed || this.#consumed * 2 < this.#options.connectionWindow) return;
    this.#recvWindow += this.#consumed;
    this.#sender.frame32(FrameType.WINDOW_UPDATE, 0, this.#consumed);
    this.#consumed = 0;
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
    const lastId = now ? this.#lastPeerId : MAX_STREAM_ID;
    if (now) this.#acceptUpTo = this.#lastPeerId;
    const text = new TextEncoder().encode(debug);
    const payload = new Uint8Array(8 + text.length);
    writeUint32(payload, 0, lastId);
    writeUint32(payload, 4, code);
    payload.set(text, 8);
    this.#sender.frame(FrameType.GOAWAY, 0, 0, payload);
  }

  /** The socket is gone: ends every stream, whose events hear `onReset` by "us" with this code. */
  abort(code: number): void {
    this.#failed = true;
    for (const stream of [...this.#streams.values()]) {
      this.#remove(stream);
      stream.events.onReset(stream, code, "us");
    }
  }

  // ---- FrameSink: what FrameReader finds

  /** @ignore */
  dataBegin(flags: number, id: number, length: number, bodyLength = length): void {
    this.#expect(FrameType.DATA, flags);
    if (id === 0) throw protocolError("DATA on stream 0");
    if (length > this.#recvWindow) {
      throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "DATA exceeds the connection's window");
    }
    this.#recvWindow -= length;
    const ends = (flags & Flag.END_STREAM) !== 0;
    if (length === 0 && !ends) this.#flood.count("emptyData");
    const stream = this.#streams.get(id);
    this.#dataEnds = ends;
    this.#dataStream = undefined;
    if (stream === undefined) {
      this.#onClosedStream(id, "DATA");
    } else if (stream.remoteEnd) {
      this.#streamError(stream, ErrorCode.STREAM_CLOSED);
    } else if (length > stream.recvWindow) {
      this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR);
    } else if (!stream.headersReceived || !fitsContentLength(stream, bodyLength, ends)) {
      this.#streamError(stream, ErrorCode.PROTOCOL_ERROR);
    } else {
      stream.recvWindow -= length;
      this.#dataStream = stream;
    }
  }

  /** @ignore */
  dataPiece(piece: Uint8Array, left: number): void {
    const stream = this.#dataStream;
    if (stream === undefined || stream.closed) {
      this.consumed(piece.length);
      return;
    }
    const end = left === 0 && this.#dataEnds;
    if (end) stream.remoteEnd = true;
    stream.events.onData(stream, piece, end);
    if (end) this.#settle(stream);
  }

  /** @ignore */
  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    this.#expect(type, flags, id);
    switch (type) {
      case FrameType.DATA:
        return this.#onPaddedData(flags, id, payload);
      case FrameType.HEADERS:
        return this.#onHeaders(flags, id, payload);
      case FrameType.CONTINUATION:
        return this.#onContinuation(flags, payload);
      case FrameType.WINDOW_UPDATE:
        return this.#onWindowUpdate(id, payload);
      case FrameType.RST_STREAM:
        return this.#onRstStream(id, payload);
      case FrameType.SETTINGS:
        return this.#onSettings(flags, id, payload);
      case FrameType.PING:
        return this.#onPing(flags, id, payload);
      case FrameType.GOAWAY:
        return this.#onGoaway(id, payload);
      case FrameType.PRIORITY:
        return this.#onPriority(id, payload);
      case FrameType.PUSH_PROMISE:
        throw protocolError("PUSH_PROMISE, which nobody asked for");
      default:
        this.#flood.count("ignored");
    }
  }

  /** Order of frames: SETTINGS first (RFC 9113 §3.4), CONTINUATION alone in its block (§6.10). */
  #expect(type: number, flags: number, id = 0): void {
    if (!this.#settingsReceived) {
      if (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0) {
        throw protocolError("First frame is not SETTINGS");
      }
      this.#settingsReceived = true;
    }
    const continues = type === FrameType.CONTINUATION;
    if (this.#block === undefined ? continues : !continues || this.#block.id !== id) {
      throw protocolError("CONTINUATION is missing or out of place");
    }
  }

  #onPaddedData(flags: number, id: number, payload: Uint8Array): void {
    const body = unpad(payload);
    this.dataBegin(flags, id, payload.length, body.length);
    const padding = payload.length - body.length;
    // What is not passed on is given back by us, or the peer's window would shrink for ever.
    this.consumed(padding);
    if (this.#dataStream !== undefined) this.grant(this.#dataStream, padding);
    this.dataPiece(body, 0);
  }

  #onHeaders(flags: number, id: number, payload: Uint8Array): void {
    if (id === 0) throw protocolError("HEADERS on stream 0");
    const block = new HeaderBlock(id, flags, payload);
    if (block.complete) this.#onBlock(block);
    else this.#block = block;
  }

  #onContinuation(flags: number, payload: Uint8Array): void {
    const block = this.#block!;
    block.add(flags, payload, 2 * this.#options.maxHeaderListBytes);
    if (!block.complete) return;
    this.#block = undefined;
    this.#onBlock(block);
  }

  /** A header section is complete. It is decoded in every case: the HPACK table must keep pace. */
  #onBlock(block: HeaderBlock): void {
    const { id, endStream } = block;
    let fields: HeaderList | undefined;
    try {
      fields = this.#decoder.decode(block.bytes());
    } catch (error) {
      if (!(error instanceof HeaderListTooLargeError)) throw error;
    }
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.#onSection(stream, fields, endStream, block);
    else if (this.#isServer) this.#onRequest(id, fields, endStream, block);
    else this.#onClosedStream(id, "HEADERS");
  }

  #onRequest(
    id: number,
    fields: HeaderList | undefined,
    endStream: boolean,
    block: HeaderBlock,
  ): void {
    if (id % 2 === 0) throw protocolError(`HEADERS on stream ${id}, which is not the client's`);
    if (id <= this.#lastPeerId) return this.#onClosedStream(id, "HEADERS");
    this.#lastPeerId = id;
    if (id > this.#acceptUpTo || this.#streams.size >= this.#options.maxConcurrentStreams) {
      return this.#refuse(id, ErrorCode.REFUSED_STREAM);
    }
    if (block.dependsOnItself) return this.#refuse(id, ErrorCode.PROTOCOL_ERROR);
    const length = fields === undefined ? -1 : contentLength(fields);
    if (fields !== undefined && (length === undefined || requestProblem(fields) !== undefined)) {
      return this.#refuse(id, ErrorCode.PROTOCOL_ERROR);
    }
    const stream = this.#open(id, SILENT);
    stream.headersReceived = true;
    stream.expectedBytes = length!;
    stream.remoteEnd = endStream;
    if (!fitsContentLength(stream, 0, endStream)) {
      return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR);
    }
    stream.events = this.#events.onRequest(stream, fields, endStream);
    if (endStream) this.#settle(stream);
  }

  /** A header section on an open stream: a response (client role) or trailers. */
  #onSection(
    stream: Stream,
    fields: HeaderList | undefined,
    endStream: boolean,
    block: HeaderBlock,
  ): void {
    if (stream.remoteEnd) return this.#streamError(stream, ErrorCode.STREAM_CLOSED);
    if (fields === undefined) return this.#streamError(stream, ErrorCode.ENHANCE_YOUR_CALM);
    const trailers = stream.headersReceived;
    const problem = block.dependsOnItself
      ? "Stream depends on itself"
      : trailers
      ? trailersProblem(fields)
      : responseProblem(fields);
    // An informational response is none that gRPC knows: it is dropped (RFC 9113 §8.1).
    const informational = !trailers && problem === undefined && fields[0]![1].startsWith("1");
    if (problem !== undefined || (trailers && !endStream) || (informational && endStream)) {
      return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR);
    }
    if (informational) return;
    if (endStream && !fitsContentLength(stream, 0, trailers)) {
      return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR);
    }
    stream.headersReceived = true;
    stream.remoteEnd = endStream;
    stream.events.onHeaders(stream, fields, endStream);
    if (endStream) this.#settle(stream);
  }

  #onWindowUpdate(id: number, payload: Uint8Array): void {
    expectLength("WINDOW_UPDATE", payload, 4);
    const bytes = readUint31(payload, 0);
    if (id === 0) {
      if (bytes === 0) throw protocolError("WINDOW_UPDATE of 0");
      return this.#sender.connectionCredit(bytes);
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (this.#isIdle(id)) throw protocolError(`WINDOW_UPDATE on idle stream ${id}`);
    } else if (bytes === 0) {
      this.#streamError(stream, ErrorCode.PROTOCOL_ERROR);
    } else if (!this.#sender.streamCredit(stream, bytes)) {
      this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR);
    } else stream.events.onCredit(stream, bytes);
  }

  #onRstStream(id: number, payload: Uint8Array): void {
    expectLength("RST_STREAM", payload, 4);
    if (id === 0 || this.#isIdle(id)) throw protocolError(`RST_STREAM on idle stream ${id}`);
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (this.#isServer && !stream.headersSent) this.#flood.count("rapidReset");
    this.#remember(id, "ended");
    this.#remove(stream);
    stream.events.onReset(stream, readUint32(payload, 0), "peer");
  }

  #onSettings(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) throw protocolError(`SETTINGS on stream ${id}`);
    if ((flags & Flag.ACK) !== 0) return expectLength("SETTINGS with ACK", payload, 0);
    this.#flood.count("settings");
    this.#flood.countAnswer();
    const { peer } = this.#sender;
    const before = peer.initialWindow;
    applySettings(payload, peer);
    this.#sender.frame(FrameType.SETTINGS, Flag.ACK, 0, NO_BYTES);
    const delta = peer.initialWindow - before;
    if (delta === 0) return;
    for (const stream of this.#streams.values()) {
      if (!this.#sender.streamCredit(stream, delta)) {
        throw new Http2Error(
          ErrorCode.FLOW_CONTROL_ERROR,
          "INITIAL_WINDOW_SIZE overflows a window",
        );
      }
      if (delta > 0) stream.events.onCredit(stream, delta);
    }
  }

  #onPing(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) throw protocolError(`PING on stream ${id}`);
    expectLength("PING", payload, 8);
    if ((flags & Flag.ACK) !== 0) return this.#events.onPong();
    this.#flood.count("ping");
    this.#flood.countAnswer();
    this.#sender.frame(FrameType.PING, Flag.ACK, 0, payload);
  }

  #onGoaway(id: number, payload: Uint8Array): void {
    if (id !== 0) throw protocolError(`GOAWAY on stream ${id}`);
    if (payload.length < 8) throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is too short");
    const lastId = readUint31(payload, 0);
    const debug = new TextDecoder().decode(payload.subarray(8));
    this.#goawayReceived = true;
    if (!this.#isServer) {
      for (const stream of [...this.#streams.values()]) {
        if (stream.id <= lastId) continue;
        this.#remove(stream);
        stream.events.onReset(stream, ErrorCode.REFUSED_STREAM, "peer");
      }
    }
    this.#events.onGoaway(lastId, readUint32(payload, 4), debug);
  }

  /** Priority is deprecated (RFC 9113 §5.3.2): checked as far as it must be, and ignored. */
  #onPriority(id: number, payload: Uint8Array): void {
    if (id === 0) throw protocolError("PRIORITY on stream 0");
    this.#flood.count("ignored");
    if (payload.length !== 5) this.#errorById(id, ErrorCode.FRAME_SIZE_ERROR);
    else if (readUint31(payload, 0) === id) this.#errorById(id, ErrorCode.PROTOCOL_ERROR);
  }

  // ---- streams

  #open(id: number, events: StreamEvents): Stream {
    const stream = new Stream(id, events);
    stream.sendWindow = this.#sender.peer.initialWindow;
    stream.recvWindow = DEFAULT_WINDOW;
    this.#streams.set(id, stream);
    return stream;
  }

  /** Closes the stream if both halves have ended (RFC 9113 §5.1). */
  #settle(stream: Stream): void {
    if (!stream.localEnd || !stream.remoteEnd || stream.closed) return;
    this.#remember(stream.id, "ended");
    this.#remove(stream);
  }

  #remove(stream: Stream): void {
    stream.closed = true;
    this.#streams.delete(stream.id);
    this.#sender.drop(stream);
  }

  #remember(id: number, how: HowClosed): void {
    if (this.#isServer) this.#recent.add(id, how);
  }

  #canSend(stream: Stream): boolean {
    return !this.#failed && !stream.closed && !stream.localEnd && stream.queuedEnd === undefined;
  }

  /** A stream that nobody has opened yet (RFC 9113 §5.1.1). */
  #isIdle(id: number): boolean {
    const ours = (id % 2 === 1) !== this.#isServer;
    return ours ? id >= this.#nextId || this.#isServer : id > this.#lastPeerId;
  }

  /** A frame on a stream without an object: idle, ended, or reset by us while it was on its way. */
  #onClosedStream(id: number, what: string): void {
    if (this.#isIdle(id)) throw protocolError(`${what} on idle stream ${id}`);
    // A server may answer long after we gave up: too many to remember, and harmless.
    if (!this.#isServer) return;
    const how = this.#recent.get(id);
    if (how === "reset") return;
    if (what === "HEADERS") {
      if (how === undefined) throw protocolError(`Stream ${id} is opened after a higher one`);
      throw new Http2Error(ErrorCode.STREAM_CLOSED, `HEADERS on stream ${id}, which has ended`);
    }
    this.#refuse(id, ErrorCode.STREAM_CLOSED);
  }

  /** Resets a stream that has no object. */
  #refuse(id: number, code: number): void {
    if (code !== ErrorCode.REFUSED_STREAM) this.#flood.count("streamError");
    this.#flood.countAnswer();
    this.#sender.frame32(FrameType.RST_STREAM, id, code);
    this.#remember(id, "reset");
  }

  #errorById(id: number, code: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) this.#refuse(id, code);
    else this.#streamError(stream, code);
  }

  /** A stream error (RFC 9113 §5.4.2), which is the peer's fault. */
  #streamError(stream: Stream, code: number): void {
    this.#flood.count("streamError");
    this.reset(stream, code);
    stream.events.onReset(stream, code, "us");
  }

  #fail(error: Http2Error): void {
    this.goaway(error.code, { debug: `${errorName(error.code)}: ${error.message}` });
    this.#failed = true;
    this.#events.onError(error);
  }
}

/** Hears a stream's events before `onRequest` has said who does. */
const SILENT: StreamEvents = {
  onHeaders() {},
  onData() {},
  onReset() {},
  onCredit() {},
  onDrained() {},
};

function protocolError(message: string): Http2Error {
  return new Http2Error(ErrorCode.PROTOCOL_ERROR, message);
}

function expectLength(what: string, payload: Uint8Array, length: number): void {
  if (payload.length === length) return;
  throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, `${what} of ${payload.length} bytes`);
}

/** Counts received bytes against `content-length` (RFC 9113 §8.1.1). */
function fitsContentLength(stream: Stream, bytes: number, ends: boolean): boolean {
  if (stream.expectedBytes < 0) return true;
  stream.expectedBytes -= bytes;
  return stream.expectedBytes >= 0 && (!ends || stream.expectedBytes === 0);
}
