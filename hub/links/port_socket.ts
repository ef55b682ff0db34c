/**
 * A MessagePort as a socket: how two workers of one hub are linked. Nobody else can hold its other end,
 * so there is nothing to prove and nothing to encrypt.
 *
 *     write(bytes) ──copy──▶ the other thread's queue ──read()──▶
 *                  ◀─────────── how many were read ─────────────
 *
 * At most `MAX_WAITING_BYTES` are in the other thread's queue; after that a write waits. What was read is
 * told when it is a quarter of that: a message costs as much as a small call.
 *
 * @module
 */
import type { PeerConn } from "../net/peer.ts";

/** Bytes that wait for the other thread. A larger write is cut. */
export const MAX_WAITING_BYTES = 256 << 10;

const TOLD_BYTES = MAX_WAITING_BYTES / 4;

/** Bytes, how many were read, or that none will come any more. */
type PortMessage = Uint8Array | number | "end" | "close";

/** One end. */
export class PortSocket implements PeerConn {
  readonly remoteAddr: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: 0 };
  /** Nobody can listen. */
  readonly encrypted = true;
  readonly #port: MessagePort;
  readonly #arrived: Uint8Array[] = [];
  /** What may still be sent. */
  #credit = MAX_WAITING_BYTES;
  /** Read, and not told yet. */
  #untold = 0;
  #readable: PromiseWithResolvers<void> | undefined;
  #writable: PromiseWithResolvers<void> | undefined;
  /** The other end sends no more. */
  #ended = false;
  /** The other end reads no more. */
  #gone = false;
  #closed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }) => this.#take(data as PortMessage);
  }

  /** There is nothing that it could turn off. */
  setNoDelay(): void {}

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#closed) throw new Deno.errors.BadResource("The port is closed");
      const [first] = this.#arrived;
      if (first !== undefined) return this.#give(first, into);
      if (this.#ended) return null;
      this.#readable ??= Promise.withResolvers();
      await this.#readable.promise;
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (this.#credit === 0 && !this.#gone) {
      this.#writable ??= Promise.withResolvers();
      await this.#writable.promise;
    }
    if (this.#gone) throw new Deno.errors.BrokenPipe("The port is closed");
    const part = bytes.slice(0, this.#credit);
    const { length } = part;
    this.#credit -= length;
    // Without a second copy: from here on it has no length any more.
    this.#port.postMessage(part, [part.buffer]);
    return length;
  }

  // deno-lint-ignore require-await -- As a socket's.
  async closeWrite(): Promise<void> {
    if (!this.#gone) this.#port.postMessage("end");
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = this.#gone = true;
    this.#port.postMessage("close");
    this.#port.close();
    this.#wake();
  }

  #give(first: Uint8Array, into: Uint8Array): number {
    const part = first.subarray(0, into.length);
    into.set(part);
    if (part.length === first.length) this.#arrived.shift();
    else this.#arrived[0] = first.subarray(part.length);
    this.#untold += part.length;
    if (this.#untold >= TOLD_BYTES) {
      this.#port.postMessage(this.#untold);
      this.#untold = 0;
    }
    return part.length;
  }

  #take(message: PortMessage): void {
    if (typeof message === "number") this.#credit += message;
    else if (typeof message !== "string") this.#arrived.push(message);
    else {
      // What has come before is still read, as from a socket.
      this.#ended = true;
      this.#gone ||= message === "close";
    }
    this.#wake();
  }

  #wake(): void {
    this.#readable?.resolve();
    this.#writable?.resolve();
    this.#readable = this.#writable = undefined;
  }
}
