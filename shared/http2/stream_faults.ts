/**
 * What is wrong with one stream, and leaves all others alone (RFC 9113 §5.4.2).
 *
 * | fault                                 | answer                                  |
 * | ------------------------------------- | --------------------------------------- |
 * | the peer breaks a rule of a stream    | RST_STREAM, counted against floods      |
 * | a frame on a stream that has ended    | the same, or an error of the connection |
 * | a frame on a stream that we did reset | none: it was on its way                 |
 * | DATA on one that is forgotten         | none: it may be the same                |
 * | whoever hears of the stream throws    | RST_STREAM, `onFault`                   |
 *
 * @module
 */
import type { ConnectionEvents } from "./connection_events.ts";
import type { FloodGuard } from "./flood_guard.ts";
import { ErrorCode, Http2Error, protocolError } from "./frames.ts";
import { HpackError } from "./hpack/errors.ts";
import type { Stream } from "./stream.ts";
import type { Streams } from "./streams.ts";

/** Sees to it that a fault has the consequence that it must have, and no other. */
export class StreamFaults {
  readonly #events: ConnectionEvents;
  readonly #streams: Streams;
  readonly #flood: FloodGuard;

  constructor(events: ConnectionEvents, streams: Streams, flood: FloodGuard) {
    this.#events = events;
    this.#streams = streams;
    this.#flood = flood;
  }

  /** The peer broke a rule. */
  error(stream: Stream, code: number): void {
    this.#flood.count("streamError");
    this.#streams.reset(stream, code);
    this.tellReset(stream, code, "us");
  }

  /** Resets a stream that is not in the table. */
  refuse(id: number, code: number): void {
    if (code !== ErrorCode.REFUSED_STREAM) this.#flood.count("streamError");
    this.#flood.countAnswer();
    this.#streams.refuse(id, code);
  }

  /**
   * A frame came on a stream that is not in the table.
   *
   * @throws {Http2Error} If no peer could have sent it in good faith.
   */
  notOpen(id: number, what: "DATA" | "HEADERS"): void {
    const streams = this.#streams;
    if (streams.isIdle(id)) throw protocolError(`${what} on idle stream ${id}`);
    // A server may answer long after we gave up: too many to remember, and harmless.
    if (!streams.isServer) return;
    const how = streams.howClosed(id);
    if (how === "reset") return;
    if (what === "DATA") {
      // Of thousands that we reset at once, as a tunnel is lost, not all are remembered.
      if (how === "ended") this.refuse(id, ErrorCode.STREAM_CLOSED);
      return;
    }
    if (how === undefined) throw protocolError(`Stream ${id} is opened after a higher one`);
    throw new Http2Error(ErrorCode.STREAM_CLOSED, `HEADERS on stream ${id}, which has ended`);
  }

  /**
   * Somebody threw while a frame of stream `id` was dealt with.
   *
   * @throws {Http2Error | HpackError} That of the peer, which ends the connection.
   */
  thrown(id: number, error: unknown): void {
    if (error instanceof Http2Error || error instanceof HpackError) throw error;
    this.#events.onFault(error);
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.reset(stream, ErrorCode.INTERNAL_ERROR);
    this.tellReset(stream, ErrorCode.INTERNAL_ERROR, "us");
  }

  /** Tells of a reset. Others are to be told as well, whatever this one makes of it. */
  tellReset(stream: Stream, code: number, by: "peer" | "us"): void {
    try {
      stream.events.onReset(stream, code, by);
    } catch (error) {
      this.#events.onFault(error);
    }
  }
}
