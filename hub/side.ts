/**
 * One of the two connections that a call is relayed between, with the account of what it
 * holds of the hub's memory.
 *
 * A stream's credit comes from the far end: the hub grants a sender what the receiver granted
 * the hub. So the hub buffers only what is on its way to a receiver whose socket is slow, and
 * that is bounded here: past `MAX_BACKLOG` no more credit is passed on in its name.
 *
 * | bytes in the hub, per receiving connection | at most                          |
 * | ------------------------------------------ | -------------------------------- |
 * | credit passed on in its name, unused       | `MAX_OUTSTANDING`                |
 * | initial windows of its streams             | 64 KiB × streams (RFC 9113 §6.9) |
 *
 * @module
 */
import type { Connection } from "../shared/http2/connection.ts";
import { DEFAULT_WINDOW } from "../shared/http2/frames.ts";
import type { Stream } from "../shared/http2/stream.ts";

/** Unsent bytes of a receiver, beyond which nobody gets credit for sending to it. */
export const MAX_BACKLOG = 1 << 20;
/** Credit that senders may hold in the name of one receiver. */
export const MAX_OUTSTANDING = 16 << 20;
/** Credit that a sender may hold on one stream. */
export const MAX_STREAM_CREDIT = 4 << 20;

/** Somebody who waits for room at a side. */
export interface Waiting {
  /** There is room again. */
  onRoom(): void;
}

/** The account of one connection, as the receiver of what is relayed. */
export class Side {
  readonly connection: Connection;
  readonly #inFlight: () => number;
  /** Credit that senders hold in our name. */
  #outstanding = 0;
  readonly #waiting = new Set<Waiting>();
  /** What senders' connections get back when our backlog has shrunk. */
  readonly #owed = new Map<Connection, number>();

  /** @param inFlight Bytes handed to the socket that it has not taken. */
  constructor(connection: Connection, inFlight: () => number) {
    this.connection = connection;
    this.#inFlight = inFlight;
  }

  /** Bytes that wait to be sent. */
  get backlog(): number {
    return this.connection.outputBytes + this.#inFlight();
  }

  get isFull(): boolean {
    return this.backlog > MAX_BACKLOG;
  }

  /** A sender opens a stream to us, and may fill its initial window. */
  opened(): void {
    this.#outstanding += DEFAULT_WINDOW;
  }

  /** A sender has used credit. */
  received(bytes: number): void {
    this.#outstanding -= bytes;
  }

  /** A sender's stream is gone, with the credit it held. */
  closed(stream: Stream): void {
    this.#outstanding -= stream.recvWindow;
    if (this.#waiting.size > 0) this.release();
  }

  /**
   * Grants a sender up to `wanted` bytes on its stream.
   *
   * @returns What was granted; whoever wants the rest asks again `onRoom`.
   */
  pass(sender: Side, stream: Stream, wanted: number): number {
    if (stream.closed || stream.remoteEnd) return wanted;
    const room = Math.min(
      this.isFull ? 0 : MAX_OUTSTANDING - this.#outstanding,
      MAX_STREAM_CREDIT - stream.recvWindow,
    );
    const granted = Math.min(wanted, room);
    if (granted <= 0) return 0;
    this.#outstanding += granted;
    sender.connection.grant(stream, granted);
    return granted;
  }

  /** Gives a sender's connection its window back: now, or when our backlog has shrunk. */
  consumed(sender: Side, bytes: number): void {
    if (!this.isFull) sender.connection.consumed(bytes);
    else this.#owed.set(sender.connection, (this.#owed.get(sender.connection) ?? 0) + bytes);
  }

  /** Calls `onRoom` once, when there may be room. */
  await(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  /** Forgets who waits. */
  forget(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  /** Bytes have left: pays what is owed, and lets those go on who wait. */
  release(): void {
    if (this.isFull) return;
    for (const [connection, bytes] of this.#owed) connection.consumed(bytes);
    this.#owed.clear();
    for (const waiting of [...this.#waiting]) {
      this.#waiting.delete(waiting);
      waiting.onRoom();
    }
  }
}
