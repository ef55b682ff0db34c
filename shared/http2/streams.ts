/**
 * The streams of a connection, from their first frame to their last (RFC 9113 §5.1).
 *
 *     never used ─▶ idle ──open──▶ in the table ──settle, reset, remove──▶ remembered for a while
 *
 * A frame may reach us after we reset its stream: that is nobody's fault and is ignored. On a
 * stream that has ended it is an error. A server therefore remembers how its last streams closed;
 * a client does not, for what a server still sends on them does no harm.
 *
 * @module
 */
import { DEFAULT_WINDOW, FrameType, MAX_STREAM_ID } from "./frames.ts";
import { RecentIds } from "./recent_ids.ts";
import type { Sender } from "./sender.ts";
import { Stream, type StreamEvents } from "./stream.ts";
import { StreamTable } from "./stream_table.ts";

/** How a stream closed. */
type HowClosed = "ended" | "reset";

/** Which end may open which stream, and which are open. Writes RST_STREAM, and no other frame. */
export class Streams {
  readonly isServer: boolean;
  readonly #sender: Sender;
  readonly #open = new StreamTable();
  readonly #ended = new RecentIds();
  readonly #reset = new RecentIds();
  #nextId = 1;
  #lastPeerId = 0;
  #acceptUpTo = MAX_STREAM_ID;

  constructor(sender: Sender, { isServer }: { readonly isServer: boolean }) {
    this.#sender = sender;
    this.isServer = isServer;
  }

  /** Open and half-closed streams. */
  get size(): number {
    return this.#open.size;
  }

  /** The id of our next stream (client role). */
  get nextId(): number {
    return this.#nextId;
  }

  /** The highest id that the peer has used. */
  get lastPeerId(): number {
    return this.#lastPeerId;
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id);
  }

  /** All that are open now, whatever happens to them while one goes through the list. */
  list(): Stream[] {
    return this.#open.list();
  }

  /** Opens the next stream of ours. */
  openOwn(events: StreamEvents): Stream {
    const stream = this.open(this.#nextId, events);
    this.#nextId += 2;
    return stream;
  }

  /** Opens the stream with this id. */
  open(id: number, events: StreamEvents): Stream {
    const stream = new Stream(id, events);
    stream.sendWindow = this.#sender.peer.initialWindow;
    stream.recvWindow = DEFAULT_WINDOW;
    this.#open.add(stream);
    return stream;
  }

  /** Notes an id that the peer uses for the first time. All ids below are used up with it (§5.1.1). */
  use(id: number): void {
    this.#lastPeerId = id;
  }

  /** Takes no stream above the last one: a GOAWAY says so (§6.8). */
  acceptNoMore(): void {
    this.#acceptUpTo = this.#lastPeerId;
  }

  /** Whether a stream may still be opened by the peer. */
  accepts(id: number): boolean {
    return id <= this.#acceptUpTo;
  }

  /** Whether nobody has opened this stream yet. */
  isIdle(id: number): boolean {
    const ours = (id % 2 === 1) !== this.isServer;
    return ours ? this.isServer || id >= this.#nextId : id > this.#lastPeerId;
  }

  /** How a stream closed that is not idle; `undefined` if that is forgotten. */
  howClosed(id: number): HowClosed | undefined {
    return this.#reset.has(id) ? "reset" : this.#ended.has(id) ? "ended" : undefined;
  }

  /** Closes the stream if both halves have ended. */
  settle(stream: Stream): void {
    if (stream.localEnd && stream.remoteEnd && !stream.closed) this.remove(stream);
  }

  /** Takes a stream out of the table; nothing is sent. */
  remove(stream: Stream): void {
    if (this.isServer) this.#ended.add(stream.id);
    this.#close(stream);
  }

  /** Resets a stream. */
  reset(stream: Stream, code: number): void {
    if (stream.closed) return;
    this.refuse(stream.id, code);
    this.#close(stream);
  }

  /** Resets a stream that is not in the table. */
  refuse(id: number, code: number): void {
    this.#sender.frame32(FrameType.RST_STREAM, id, code);
    if (this.isServer) this.#reset.add(id);
  }

  #close(stream: Stream): void {
    stream.closed = true;
    this.#open.delete(stream.id);
    this.#sender.drop(stream);
  }
}
