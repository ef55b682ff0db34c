/**
 * One stream of an HTTP/2 connection (RFC 9113 §5.1), and who hears of it.
 *
 *     idle ──HEADERS──▶ open ──END_STREAM──▶ half-closed ──END_STREAM──▶ closed
 *                         └───────────── RST_STREAM ───────────────────────▲
 *
 * Only open and half-closed streams have an object; it leaves the connection's table in the
 * moment in which it closes.
 *
 * @module
 */
import type { ByteQueue } from "../bytes/byte_queue.ts";
import type { HeaderList } from "./header_list.ts";

/** Hears what happens on a stream. One object may hear of several streams. */
export interface StreamEvents {
  /** A header section: the response (client role), or trailers (`endStream` is then true). */
  onHeaders(stream: Stream, fields: HeaderList, endStream: boolean): void;
  /** Bytes of DATA, good during the call only. Whoever has dealt with them calls `Connection.consumed()`. */
  onData(stream: Stream, piece: Uint8Array, endStream: boolean): void;
  /** The stream is gone: reset by the peer, or by us because of the peer's error. */
  onReset(stream: Stream, code: number, by: "peer" | "us"): void;
  /** The peer will take this many bytes more; or less, if its settings have changed. */
  onCredit(stream: Stream, bytes: number): void;
  /** Bytes that had to be queued have gone out, or were dropped with the stream. */
  onDrained(stream: Stream): void;
}

/** What is sent ends our half of the stream: for `Connection.request()`, `headers()` and `data()`. */
export const LAST = true;
/** More follows. */
export const MORE = false;

/** Hears nothing of a stream, where something must. */
export const SILENT: StreamEvents = {
  onHeaders() {},
  onData() {},
  onReset() {},
  onCredit() {},
  onDrained() {},
};

/** State of an open or half-closed stream; written by the connection only. */
export class Stream {
  readonly id: number;
  events: StreamEvents;
  /** What the peer lets us send; may be negative (RFC 9113 §6.9.2). */
  sendWindow = 0;
  /** What we let the peer send. */
  recvWindow = 0;
  /** We have sent END_STREAM. */
  localEnd = false;
  /** The peer has sent END_STREAM. */
  remoteEnd = false;
  closed = false;
  /** We have sent a header section. */
  headersSent = false;
  /** The peer has sent its (final) header section. */
  headersReceived = false;
  /** Bytes still to come by `content-length`; −1 if unknown. */
  expectedBytes = -1;
  /** Bytes that wait for a window, or for room in the output. */
  queue: ByteQueue | undefined = undefined;
  /** What follows the queue: END_STREAM, or trailers. */
  queuedEnd: true | Uint8Array | undefined = undefined;

  constructor(id: number, events: StreamEvents) {
    this.id = id;
    this.events = events;
  }

  /** Bytes that have not gone out. */
  get queuedBytes(): number {
    return this.queue === undefined ? 0 : this.queue.length;
  }
}
