/**
 * A socket with a {@linkcode GoawayFilter} in it, for grpc-js to speak HTTP/2 on.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { GoawayFilter } from "./goaway_filter.ts";

/** Bytes that wait in each direction before the other end has to. */
const BUFFER_BYTES = 64 * 1024;

/** What goes on of what comes in, and what comes in because of what goes out. */
export type SocketFilter = Pick<GoawayFilter, "receive" | "send">;

/**
 * Guarantees:
 * - Backpressure: a slow reader pauses the socket; a write is done when the socket took it.
 * - Each direction ends by itself. An error, and the end of both, are the socket's.
 * - `destroy()` destroys the socket.
 */
export class FilteredSocket extends Duplex {
  readonly #socket: Socket;
  readonly #filter: SocketFilter;

  constructor(socket: Socket, filter: SocketFilter) {
    super({ highWaterMark: BUFFER_BYTES });
    this.#socket = socket;
    this.#filter = filter;
    // Whoever listens hears of it; an error between two listeners must not end the process.
    this.on("error", () => {});
    socket.on("data", (bytes: Buffer) => this.#pushAll(filter.receive(bytes)));
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.once("close", () => this.destroy());
    socket.resume();
  }

  /** Called by node:http2's session: an idle connection must not keep the process. */
  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
    this.#pushAll(this.#filter.send(chunk));
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #pushAll(pieces: readonly Uint8Array[]): void {
    if (this.destroyed || this.readableEnded) return;
    for (const piece of pieces) {
      if (!this.push(piece)) this.#socket.pause();
    }
  }
}
