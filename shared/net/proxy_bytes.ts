/**
 * What a proxy answers, read from the socket to it: exactly those bytes, for the next ones are the
 * target's.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/** Reads from a socket that nobody else listens to. What it has read too far is put back. */
export class ProxyBytes implements Disposable {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;

  /** @param signal Ends each wait with its reason. */
  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    socket.pause();
  }

  /** @throws {Error} If the proxy closes before. */
  async take(bytes: number): Promise<Buffer> {
    return await this.#until((have) => have.length >= bytes ? bytes : undefined);
  }

  /** The bytes up to `end` and with it. @throws {Error} If it does not come within `maxBytes`. */
  async takeThrough(end: string, maxBytes: number): Promise<Buffer> {
    return await this.#until((have) => {
      const at = have.indexOf(end);
      if (at >= 0) return at + end.length;
      if (have.length < maxBytes) return undefined;
      throw new Error(`the proxy's answer has no end within ${maxBytes} bytes`);
    });
  }

  [Symbol.dispose](): void {
    this.#socket.pause();
  }

  async #until(lengthOf: (have: Buffer) => number | undefined): Promise<Buffer> {
    const socket = this.#socket;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    let have = Buffer.alloc(0);
    const onData = (data: Buffer) => {
      have = Buffer.concat([have, data]);
      try {
        const length = lengthOf(have);
        if (length === undefined) return;
        socket.pause();
        const rest = have.subarray(length);
        if (rest.length > 0) socket.unshift(rest);
        resolve(have.subarray(0, length));
      } catch (error) {
        reject(error);
      }
    };
    const onEnd = () => reject(new Error("the proxy closed the connection"));
    const onAbort = () => reject(this.#signal.reason);
    this.#signal.throwIfAborted();
    this.#signal.addEventListener("abort", onAbort, { once: true });
    socket.on("error", reject).on("end", onEnd).on("close", onEnd).on("data", onData);
    socket.resume();
    try {
      return await promise;
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
      socket.off("error", reject).off("end", onEnd).off("close", onEnd).off("data", onData);
    }
  }
}
