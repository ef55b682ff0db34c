/**
 * DATA: windows, content length, and on to whoever hears of the stream (RFC 9113 §6.1, §5.2).
 *
 * @module
 */
import { DEFAULT_WINDOW, ErrorCode, Flag, FrameType, Http2Error, protocolError } from "./frames.ts";
import { unpad } from "./padding.ts";
import type { ReceiverParts } from "./receiver_parts.ts";
import type { Stream } from "./stream.ts";

/** Throws `Http2Error` for what the connection cannot survive. */
export class DataReceiver {
  readonly #parts: ReceiverParts;
  /** What the peer may have sent, over all streams, before we say `consumed()`. */
  readonly #maxWindow: number;
  /** The connection's window, as the peer knows it. */
  #window = DEFAULT_WINDOW;
  /** Consumed, and not yet given back to the peer. */
  #consumed = 0;
  /** The stream of the frame that is being received, and whether the frame ends it. */
  #stream: Stream | undefined;
  #ends = false;

  constructor(parts: ReceiverParts, { connectionWindow }: { readonly connectionWindow: number }) {
    this.#parts = parts;
    this.#maxWindow = connectionWindow;
  }

  /** Opens the connection's window to its full size. */
  start(): void {
    if (this.#maxWindow <= DEFAULT_WINDOW) return;
    this.#parts.sender.frame32(FrameType.WINDOW_UPDATE, 0, this.#maxWindow - DEFAULT_WINDOW);
    this.#window = this.#maxWindow;
  }

  /** Gives the connection's window back, in steps of half its size. */
  consumed(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed * 2 < this.#maxWindow) return;
    this.#window += this.#consumed;
    this.#parts.sender.frame32(FrameType.WINDOW_UPDATE, 0, this.#consumed);
    this.#consumed = 0;
  }

  /**
   * The header of a frame.
   *
   * @param length Bytes of its payload, padding included.
   * @param body Bytes of its payload that are not padding.
   */
  begin(flags: number, id: number, length: number, body: number): void {
    if (id === 0) throw protocolError("DATA on stream 0");
    if (length > this.#window) {
      throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "DATA exceeds the connection's window");
    }
    this.#window -= length;
    const ends = (flags & Flag.END_STREAM) !== 0;
    const { flood, streams, faults } = this.#parts;
    if (body === 0 && !ends) flood.count("emptyData");
    const stream = streams.get(id);
    this.#ends = ends;
    this.#stream = undefined;
    if (stream === undefined) {
      faults.notOpen(id, "DATA");
    } else if (stream.remoteEnd) {
      faults.error(stream, ErrorCode.STREAM_CLOSED);
    } else if (length > stream.recvWindow) {
      faults.error(stream, ErrorCode.FLOW_CONTROL_ERROR);
    } else if (!stream.headersReceived || !fitsContentLength(stream, body, ends)) {
      faults.error(stream, ErrorCode.PROTOCOL_ERROR);
    } else {
      stream.recvWindow -= length;
      this.#stream = stream;
    }
  }

  /** The next piece of the frame's body; `left` bytes of it are still to come. */
  piece(piece: Uint8Array, left: number): void {
    const stream = this.#stream;
    if (stream === undefined || stream.closed) return this.consumed(piece.length);
    const end = left === 0 && this.#ends;
    if (end) stream.remoteEnd = true;
    try {
      stream.events.onData(stream, piece, end);
    } catch (error) {
      this.#parts.faults.thrown(stream.id, error);
    }
    if (end) this.#parts.streams.settle(stream);
  }

  /** A whole frame with padding, which counts for the windows and is given back at once. */
  padded(flags: number, id: number, payload: Uint8Array): void {
    const body = unpad(payload);
    const padding = payload.length - body.length;
    this.begin(flags, id, payload.length, body.length);
    this.consumed(padding);
    const stream = this.#stream;
    if (stream !== undefined && !this.#ends) {
      const { sender, flood } = this.#parts;
      flood.countAnswer();
      stream.recvWindow += padding;
      sender.frame32(FrameType.WINDOW_UPDATE, id, padding);
    }
    this.piece(body, 0);
  }
}

/** Counts received bytes against `content-length` (RFC 9113 §8.1.1). */
function fitsContentLength(stream: Stream, bytes: number, ends: boolean): boolean {
  if (stream.expectedBytes < 0) return true;
  stream.expectedBytes -= bytes;
  return stream.expectedBytes >= 0 && (!ends || stream.expectedBytes === 0);
}
