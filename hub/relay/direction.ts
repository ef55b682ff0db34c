/**
 * One direction of a call: DATA from a sender's stream to a receiver's, and credit back.
 *
 *     sender ──DATA──▶ hub ──DATA──▶ receiver
 *     sender ◀─credit─ hub ◀─credit─ receiver
 *
 * The hub grants a sender what the receiver granted the hub, so a slow receiver slows down its own
 * sender and nobody else. What a stream *holds* is what the hub may have to keep for it: bytes
 * that wait for the receiver, and credit that the sender has not used. `peer/receive_budget.ts` bounds
 * it, whatever windows the peers announce.
 *
 * @module
 */
import type { Connection } from "../../shared/http2/connection.ts";
import { DEFAULT_WINDOW } from "../../shared/http2/frames.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import type { ByteMeter } from "../limits/meter.ts";
import { type ReceiveBudget, STREAM_BYTES } from "../peer/receive_budget.ts";

/** Less credit is not worth a frame, while the sender has as much left. */
const MIN_GRANT = 8 << 10;

/** Guarantee: what it lent of the receiver's shared bytes is back when both streams have ended. */
export class Direction {
  readonly #sender: Connection;
  readonly #from: Stream;
  readonly #receiver: ReceiveBudget;
  readonly #to: Stream;
  /** Where there is a limit on bytes: most hubs have none. */
  readonly #meter: ByteMeter | undefined;
  /** Credit that the receiver gave and the sender has not got; negative if it got more. */
  #wanted: number;
  /** What it holds of the receiver's shared bytes. */
  #lent = 0;

  constructor(
    sender: Connection,
    from: Stream,
    receiver: ReceiveBudget,
    to: Stream,
    meter?: ByteMeter,
  ) {
    this.#sender = sender;
    this.#from = from;
    this.#receiver = receiver;
    this.#to = to;
    this.#meter = meter;
    // Both sides of the hub begin with the default window, whatever the receiver allows.
    this.#wanted = to.sendWindow - DEFAULT_WINDOW;
    // A call that may turn out to be short gets no credit in advance that is counted.
    if (this.#wanted > 0 && meter === undefined) this.update();
  }

  /** The sender's bytes go on. */
  pass(piece: Uint8Array, end: boolean): void {
    this.#meter?.pass(piece.length);
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
    if (this.#meter !== undefined) this.#book(this.#meter);
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
    const metered = this.#meter?.room(from.recvWindow, this.#held()) ?? Infinity;
    let bytes = Math.min(this.#wanted, room, metered);
    if (bytes <= 0 || (bytes < MIN_GRANT && from.recvWindow >= MIN_GRANT)) return;
    if (this.#meter !== undefined) bytes = this.#meter.pay(bytes, () => this.update());
    if (bytes === 0) return;
    this.#wanted -= bytes;
    this.#sender.grant(from, bytes);
  }

  #book(meter: ByteMeter): void {
    const from = this.#from;
    const over = from.closed || from.remoteEnd || this.#to.closed;
    meter.keeps(this.#to.queuedBytes, over ? 0 : from.recvWindow);
    if (over) meter.end();
  }
}
