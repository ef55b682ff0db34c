/**
 * One direction of a call: DATA from a sender's stream to a receiver's, and credit back.
 *
 *     sender ──DATA──▶ hub ──DATA──▶ receiver
 *     sender ◀─credit─ hub ◀─credit─ receiver
 *
 * The hub grants a sender what the receiver granted the hub, so a slow receiver slows down its own
 * sender and nobody else. What a stream *holds* is what the hub may have to keep for it: bytes
 * that wait for the receiver, and credit that the sender has not used. It is bounded by `side.ts`,
 * whatever windows the peers announce.
 *
 * @module
 */
import type { Connection } from "../shared/http2/connection.ts";
import { DEFAULT_WINDOW } from "../shared/http2/frames.ts";
import type { Stream } from "../shared/http2/stream.ts";
import { type Side, STREAM_BYTES } from "./side.ts";

/** Less credit is not worth a frame, while the sender has as much left. */
const MIN_GRANT = 8 << 10;

/** Guarantee: what it lent of the receiver's shared bytes is back when both streams have ended. */
export class Flow {
  readonly #sender: Connection;
  readonly #from: Stream;
  readonly #receiver: Side;
  readonly #to: Stream;
  /** Credit that the receiver gave and the sender has not got; negative if it got more. */
  #wanted: number;
  /** What it holds of the receiver's shared bytes. */
  #lent = 0;

  constructor(sender: Connection, from: Stream, receiver: Side, to: Stream) {
    this.#sender = sender;
    this.#from = from;
    this.#receiver = receiver;
    this.#to = to;
    // Both sides of the hub begin with the default window, whatever the receiver allows.
    this.#wanted = to.sendWindow - DEFAULT_WINDOW;
    if (this.#wanted > 0) this.update();
  }

  /** The sender's bytes go on. */
  pass(piece: Uint8Array, end: boolean): void {
    this.#receiver.connection.data(this.#to, piece, end);
    // At once: a slow receiver must not hold the sender's connection, which all its calls share.
    this.#sender.consumed(piece.length);
    this.update();
  }

  /** The receiver takes more, or less than it said. */
  credit(bytes: number): void {
    this.#wanted += bytes;
    this.update();
  }

  /** Either stream has changed: bytes were used, sent or dropped, or a stream has ended. */
  update(): void {
    if (this.#wanted > 0) this.#grant();
    const lent = Math.max(0, this.#held() - STREAM_BYTES);
    if (lent === this.#lent) return;
    this.#receiver.lend(lent - this.#lent);
    this.#lent = lent;
  }

  /** What the hub may have to keep for this direction. */
  #held(): number {
    const from = this.#from;
    const unused = from.closed || from.remoteEnd ? 0 : from.recvWindow;
    return unused + this.#to.queuedBytes;
  }

  #grant(): void {
    const from = this.#from;
    if (from.closed || from.remoteEnd || this.#to.closed) return;
    const room = STREAM_BYTES + this.#receiver.share(this.#lent) - this.#held();
    const bytes = Math.min(this.#wanted, room);
    if (bytes <= 0 || (bytes < MIN_GRANT && from.recvWindow >= MIN_GRANT)) return;
    this.#wanted -= bytes;
    this.#sender.grant(from, bytes);
  }
}
