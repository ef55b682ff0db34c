/**
 * The tunnel that `gserver doctor --register` opens: it takes no calls, and is asked whether it carries.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { deadline } from "../../shared/async/deadline.ts";
import type { OpenSocket } from "../dial/dial.ts";

/** A pong takes no longer. */
const PONG_MS = 10_000;

/** Ends when disposed. */
export class DoctorTunnel implements Disposable {
  readonly #socket: OpenSocket["socket"];
  #pings = 0;
  #echo: PromiseWithResolvers<void> | undefined;
  /** Why it is no longer there. */
  #ended: Error | undefined;

  constructor({ socket }: Pick<OpenSocket, "socket">) {
    this.#socket = socket;
    socket.on("pong", (payload: Buffer) => {
      if (Number(payload) === this.#pings) this.#echo?.resolve();
    });
    socket.once("close", (code: number, reason: Buffer) => {
      const why = String(reason) || `close code ${code}`;
      this.#ended = new Error(`The tunnel has ended: ${why}`);
      this.#echo?.reject(this.#ended);
    });
  }

  /**
   * Sends a ping through the tunnel, and waits until the hub sends it back.
   *
   * @throws {Error} If the tunnel has ended, or nothing comes back in time.
   */
  async echo(signal: AbortSignal): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    const { promise } = this.#echo = Promise.withResolvers<void>();
    this.#socket.ping(String(++this.#pings));
    await deadline(promise, PONG_MS, { signal, what: "echo through the tunnel" });
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}
