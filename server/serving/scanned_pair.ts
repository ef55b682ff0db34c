/**
 * Two streams, joined back to back, with an HTTP/2 scan in each direction.
 *
 *     far.write ─▶ scan ─▶ near.read          near.write ─▶ scan ─▶ far.read
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { Http2Scan } from "../../shared/http2/scan/http2_scan.ts";

/** Bytes that wait in each direction. */
const BUFFER_BYTES = 64 * 1024;

/** Options of {@linkcode scannedPair}. */
export interface ScannedPairOptions {
  /** What passes from far to near goes through it. */
  readonly toNear: Http2Scan;
  /** What passes from near to far goes through it. */
  readonly toFar: Http2Scan;
}

/** Ending one side ends the other's reading; destroying one destroys both. */
export function scannedPair(options: ScannedPairOptions): { near: Duplex; far: Duplex } {
  const near = new Side(options.toFar);
  const far = new Side(options.toNear);
  near.join(far);
  far.join(near);
  return { near, far };
}

class Side extends Duplex {
  readonly #scan: Http2Scan;
  #other!: Side;
  /** The other side's write, done when this one is read from again. */
  #waiting: (() => void) | undefined;

  constructor(scan: Http2Scan) {
    super({ highWaterMark: BUFFER_BYTES });
    this.#scan = scan;
  }

  join(other: Side): void {
    this.#other = other;
  }

  #take(pieces: Uint8Array[], done: () => void): void {
    let room = true;
    for (const piece of pieces) room = this.push(piece);
    if (room) done();
    else this.#waiting = done;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#other.#take(this.#scan.pass(chunk), done);
  }

  override _final(done: () => void): void {
    this.#other.push(null);
    done();
  }

  override _read(): void {
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#other.destroy();
    done(error);
  }
}
