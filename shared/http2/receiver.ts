/**
 * The receiving half of a connection: each frame is checked, and becomes an event, an answer, an
 * error of its stream, or one of the connection (RFC 9113 §6).
 *
 *     FrameReader ──frame, dataPiece──▶ Receiver ─▶ StreamEvents, ConnectionEvents
 *                                          └─▶ Sender: SETTINGS and PING with ACK, RST_STREAM
 *
 * @module
 */
import { DataReceiver } from "./data_receiver.ts";
import type { FrameSink } from "./frame_reader.ts";
import {
  ErrorCode,
  Flag,
  FrameType,
  Http2Error,
  protocolError,
  readUint31,
  readUint32,
} from "./frames.ts";
import { HeaderReceiver, type HeaderReceiverOptions } from "./header_receiver.ts";
import type { ReceiverParts } from "./receiver_parts.ts";
import { applySettings } from "./settings.ts";

/** See `ConnectionOptions`. */
export interface ReceiverOptions extends HeaderReceiverOptions {
  readonly connectionWindow: number;
}

/** What is read of the text in a GOAWAY. */
const MAX_DEBUG_BYTES = 256;

const NO_BYTES = new Uint8Array();

/** Throws `Http2Error` and `HpackError` for what the connection cannot survive, and nothing else. */
export class Receiver implements FrameSink {
  readonly data: DataReceiver;
  readonly headers: HeaderReceiver;
  readonly #parts: ReceiverParts;
  #settingsReceived = false;
  #goawayReceived = false;

  constructor(parts: ReceiverParts, options: ReceiverOptions) {
    this.data = new DataReceiver(parts, options);
    this.headers = new HeaderReceiver(parts, options);
    this.#parts = parts;
  }

  /** Whether the peer takes no more streams. */
  get goawayReceived(): boolean {
    return this.#goawayReceived;
  }

  dataBegin(flags: number, id: number, length: number): void {
    this.#expect(FrameType.DATA, flags, id);
    this.data.begin(flags, id, length, length);
  }

  dataPiece(piece: Uint8Array, left: number): void {
    this.data.piece(piece, left);
  }

  frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    this.#expect(type, flags, id);
    try {
      this.#dispatch(type, flags, id, payload);
    } catch (error) {
      this.#parts.faults.thrown(id, error);
    }
  }

  #dispatch(type: number, flags: number, id: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.DATA:
        return this.data.padded(flags, id, payload);
      case FrameType.HEADERS:
        return this.headers.onHeaders(flags, id, payload);
      case FrameType.CONTINUATION:
        return this.headers.onContinuation(flags, payload);
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
        this.#parts.flood.count("ignored");
    }
  }

  /** Order of frames: SETTINGS first (§3.4), CONTINUATION alone after its block (§6.10). */
  #expect(type: number, flags: number, id: number): void {
    if (!this.#settingsReceived) {
      if (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0) {
        throw protocolError("First frame is not SETTINGS");
      }
      this.#settingsReceived = true;
    }
    const expected = this.headers.continues;
    const continued = type === FrameType.CONTINUATION ? id : undefined;
    if (continued !== expected) throw protocolError("CONTINUATION is missing or out of place");
  }

  #onWindowUpdate(id: number, payload: Uint8Array): void {
    expectLength("WINDOW_UPDATE", payload, 4);
    const { sender, streams, faults } = this.#parts;
    const bytes = readUint31(payload, 0);
    if (id === 0) {
      if (bytes === 0) throw protocolError("WINDOW_UPDATE of 0");
      return sender.connectionCredit(bytes);
    }
    const stream = streams.get(id);
    if (stream === undefined) {
      if (streams.isIdle(id)) throw protocolError(`WINDOW_UPDATE on idle stream ${id}`);
    } else if (bytes === 0) {
      faults.error(stream, ErrorCode.PROTOCOL_ERROR);
    } else if (!sender.streamCredit(stream, bytes)) {
      faults.error(stream, ErrorCode.FLOW_CONTROL_ERROR);
    } else {
      stream.events.onCredit(stream, bytes);
    }
  }

  #onRstStream(id: number, payload: Uint8Array): void {
    expectLength("RST_STREAM", payload, 4);
    const { streams, flood } = this.#parts;
    if (id === 0 || streams.isIdle(id)) throw protocolError(`RST_STREAM on idle stream ${id}`);
    const stream = streams.get(id);
    if (stream === undefined) return;
    if (streams.isServer && !stream.headersSent) flood.count("rapidReset");
    streams.remove(stream);
    stream.events.onReset(stream, readUint32(payload, 0), "peer");
  }

  #onSettings(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) throw protocolError(`SETTINGS on stream ${id}`);
    if ((flags & Flag.ACK) !== 0) return expectLength("SETTINGS with ACK", payload, 0);
    const { sender, streams, flood } = this.#parts;
    flood.count("settings");
    flood.countAnswer();
    const before = sender.peer.initialWindow;
    applySettings(payload, sender.peer);
    sender.frame(FrameType.SETTINGS, Flag.ACK, 0, NO_BYTES);
    const delta = sender.peer.initialWindow - before;
    if (delta === 0) return;
    for (const stream of streams.list()) {
      if (stream.closed) continue;
      if (!sender.streamCredit(stream, delta)) {
        const problem = "INITIAL_WINDOW_SIZE overflows a window";
        throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, problem);
      }
      stream.events.onCredit(stream, delta);
    }
  }

  #onPing(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) throw protocolError(`PING on stream ${id}`);
    expectLength("PING", payload, 8);
    const { events, sender, flood } = this.#parts;
    if ((flags & Flag.ACK) !== 0) return events.onPong();
    flood.count("ping");
    flood.countAnswer();
    // A gRPC client pings after each message to measure the path: its answer is no write of its
    // own if the call's answer comes soon. (§6.7 asks for haste; a peer's time-outs are seconds.)
    sender.lateFrame(FrameType.PING, Flag.ACK, 0, payload);
  }

  #onGoaway(id: number, payload: Uint8Array): void {
    if (id !== 0) throw protocolError(`GOAWAY on stream ${id}`);
    if (payload.length < 8) throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is too short");
    const { events, streams, faults, flood } = this.#parts;
    flood.count("goaway");
    this.#goawayReceived = true;
    const lastId = readUint31(payload, 0);
    for (const stream of streams.isServer ? [] : streams.list()) {
      if (stream.id <= lastId || stream.closed) continue;
      streams.remove(stream);
      faults.tellReset(stream, ErrorCode.REFUSED_STREAM, "peer");
    }
    const debug = new TextDecoder().decode(payload.subarray(8, 8 + MAX_DEBUG_BYTES));
    events.onGoaway(lastId, readUint32(payload, 4), debug);
  }

  /** Priority is deprecated (§5.3.2): checked as far as it must be, and ignored. */
  #onPriority(id: number, payload: Uint8Array): void {
    if (id === 0) throw protocolError("PRIORITY on stream 0");
    const { streams, faults, flood } = this.#parts;
    flood.count("ignored");
    const code = payload.length !== 5
      ? ErrorCode.FRAME_SIZE_ERROR
      : readUint31(payload, 0) === id
      ? ErrorCode.PROTOCOL_ERROR
      : undefined;
    if (code === undefined) return;
    const stream = streams.get(id);
    if (stream === undefined) faults.refuse(id, code);
    else faults.error(stream, code);
  }
}

function expectLength(what: string, payload: Uint8Array, length: number): void {
  if (payload.length === length) return;
  throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, `${what} of ${payload.length} bytes`);
}
