/**
 * Two ends of one byte stream in memory: what is written to one is read from the other.
 *
 *     [left, right] = duplexPair()      left.write("a") → right reads "a"      and back
 *
 * It stands where a socket would stand, when both ends live in this process.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { Duplex } from "node:stream";

/** Bytes that wait at the reader's end before the writer is held. */
const HIGH_WATER_MARK = 64 * 1024;

type Done = (error?: Error | null) => void;

/**
 * Guarantees:
 * - Backpressure: a write is done when the other end has room for the next one.
 * - Half-close: after `end()` the other end reads to the end, and can still write.
 * - `destroy(error)` reaches the other end as that error; `destroy()` ends what it reads, and
 *   its later writes fail with `EPIPE`. Nobody is left waiting.
 * - Bytes are handed over, not copied: a chunk must not be changed after it was written.
 */
export function duplexPair(): [Duplex, Duplex] {
  const left = new End();
  const right = new End();
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class End extends Duplex {
  peer!: End;
  /** The other end's write that waits until somebody reads here. */
  #heldWrite: Done | undefined;

  constructor() {
    super({ readableHighWaterMark: HIGH_WATER_MARK, writableHighWaterMark: HIGH_WATER_MARK });
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    this.peer.#receive(chunk, done);
  }

  override _final(done: Done): void {
    this.peer.#receiveEnd();
    done();
  }

  override _read(): void {
    this.#releaseWrite();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#releaseWrite();
    if (error !== null) this.peer.destroy(error);
    else this.peer.#receiveEnd();
    done(error);
  }

  #receive(chunk: Buffer, done: Done): void {
    if (this.destroyed) return done(brokenPipe());
    // An empty chunk would not wake a reader, so nobody would ever release its write.
    if (chunk.length === 0 || this.push(chunk)) return done();
    this.#heldWrite = done;
  }

  #receiveEnd(): void {
    if (!this.destroyed && !this.readableEnded) this.push(null);
  }

  #releaseWrite(): void {
    const done = this.#heldWrite;
    this.#heldWrite = undefined;
    done?.(this.destroyed ? brokenPipe() : null);
  }
}

function brokenPipe(): Error {
  return Object.assign(new Error("The other end is closed"), { code: "EPIPE" });
}
