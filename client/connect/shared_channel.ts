/**
 * One connection to the hub for many calls. The first of them opens it; when it has ended, the next
 * call opens another one.
 *
 * @module
 */
import type { Channel } from "../../shared/grpc_client/channel.ts";
import type { DialOptions } from "./dial.ts";

type OnStep = DialOptions["onStep"];

export class SharedChannel implements AsyncDisposable {
  readonly #open: (onStep: OnStep) => Promise<Channel>;
  #last: Promise<Channel> | undefined;
  /** Calls may still be under way on these. */
  readonly #left: Channel[] = [];

  /** @param open Dials, and tells of each step. */
  constructor(open: (onStep: OnStep) => Promise<Channel>) {
    this.#open = open;
  }

  /**
   * The connection. Calls that come while it is being opened wait for the same one.
   *
   * @param onStep Is told of each step, if this call opens it.
   * @throws As `open` does; the next call tries again.
   */
  async get(onStep?: OnStep): Promise<Channel> {
    const last = this.#last;
    if (last !== undefined) {
      const channel = await last;
      if (channel.takesCalls) return channel;
      // Another call may have seen it before.
      if (this.#last !== last) return await this.get(onStep);
      this.#left.push(channel);
    }
    const opened = this.#last = this.#open(onStep);
    opened.catch(() => {
      if (this.#last === opened) this.#last = undefined;
    });
    return await opened;
  }

  /** Ends the calls that are left, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    const last = await this.#last?.catch(() => undefined);
    const channels = last === undefined ? this.#left : [...this.#left, last];
    for (const channel of channels) await channel[Symbol.asyncDispose]();
  }
}
