/**
 * One of the two connections that a call is relayed between, with the account of what it may
 * hold of the hub's memory as the receiver of calls.
 *
 * | bytes in the hub, per receiving connection     | at most                                |
 * | ---------------------------------------------- | -------------------------------------- |
 * | output, and as much on its way to the socket   | `MAX_BACKLOG`                          |
 * | … of a server that is not paused, in the end   | `MAX_UNSENT` (tunnels/open_tunnel.ts)          |
 * | credit and queue of each stream, as its own    | `STREAM_BYTES` (64 KiB, RFC 9113 §6.9) |
 * | credit and queues beyond that, of all streams  | `SHARED_BYTES`                         |
 *
 * @module
 */
import type { Connection } from "../../shared/http2/connection.ts";
import { DEFAULT_WINDOW } from "../../shared/http2/frames.ts";
import { MAX_OUTPUT_DATA } from "../../shared/http2/sender.ts";

/** Unsent bytes of a connection, beyond which it gets no new calls, and a caller's wait unread. */
export const MAX_BACKLOG = 2 * MAX_OUTPUT_DATA;
/** What each stream may hold in any case: less than its first window is not to be had. */
export const STREAM_BYTES = DEFAULT_WINDOW;
/** What all streams to one receiver may hold beyond that. */
export const SHARED_BYTES = 16 << 20;

/** One connection of a call's two, with the account of what it may hold as the receiver. */
export class ReceiveBudget {
  readonly connection: Connection;
  /** Bytes of this peer's calls that wait for their server. */
  heldBytes = 0;
  #lent = 0;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** What streams to this receiver hold beyond their own. */
  get lent(): number {
    return this.#lent;
  }

  /** Whether its socket does not keep up. */
  get isFull(): boolean {
    return this.connection.outputBytes > MAX_BACKLOG;
  }

  /**
   * What a stream that holds `held` of the shared bytes may hold of them: a quarter of what the
   * others have left. So there is always something left, and nobody takes it all.
   */
  share(held: number): number {
    return (SHARED_BYTES - this.#lent + held) >> 2;
  }

  /** Books a change of what a stream holds. */
  lend(bytes: number): void {
    this.#lent += bytes;
  }
}
