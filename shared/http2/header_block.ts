/**
 * A header block as it is received: one HEADERS frame, and CONTINUATION frames after it
 * (RFC 9113 §4.3, §6.2, §6.10).
 *
 * @module
 */
import { ErrorCode, Flag, Http2Error, readUint31 } from "./frames.ts";
import { unpad } from "./padding.ts";

/** CONTINUATION frames in one block (CVE-2024-27316: a flood of them never ends a request). */
export const MAX_CONTINUATIONS = 16;

/** Bytes of the deprecated priority in HEADERS (RFC 9113 §6.2). */
const PRIORITY_BYTES = 5;

/** Gathers fragments; bounded in bytes and in count. */
export class HeaderBlock {
  readonly id: number;
  readonly endStream: boolean;
  /** The frame names its own stream as its dependency, an error of RFC 7540 §5.3.1. */
  readonly dependsOnItself: boolean = false;
  complete: boolean;
  #fragments: Uint8Array[];
  #bytes: number;

  /** @throws {Http2Error} If padding or priority do not fit the frame. */
  constructor(id: number, flags: number, payload: Uint8Array) {
    this.id = id;
    this.endStream = (flags & Flag.END_STREAM) !== 0;
    this.complete = (flags & Flag.END_HEADERS) !== 0;
    let fragment = (flags & Flag.PADDED) === 0 ? payload : unpad(payload);
    if ((flags & Flag.PRIORITY) !== 0) {
      if (fragment.length < PRIORITY_BYTES) {
        throw new Http2Error(ErrorCode.FRAME_SIZE_ERROR, "HEADERS has no room for its priority");
      }
      this.dependsOnItself = readUint31(fragment, 0) === id;
      fragment = fragment.subarray(PRIORITY_BYTES);
    }
    // A view is good during the call only: what waits for CONTINUATION is copied.
    this.#fragments = [this.complete ? fragment : fragment.slice()];
    this.#bytes = fragment.length;
  }

  /** @throws {Http2Error} `ENHANCE_YOUR_CALM` beyond `maxBytes` or `MAX_CONTINUATIONS`. */
  add(flags: number, payload: Uint8Array, maxBytes: number): void {
    this.complete = (flags & Flag.END_HEADERS) !== 0;
    this.#bytes += payload.length;
    if (this.#bytes > maxBytes || this.#fragments.length > MAX_CONTINUATIONS) {
      throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "Header block is too large");
    }
    this.#fragments.push(payload.slice());
  }

  /** Bytes so far. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** The whole block. */
  bytes(): Uint8Array {
    if (this.#fragments.length === 1) return this.#fragments[0]!;
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const fragment of this.#fragments) {
      whole.set(fragment, at);
      at += fragment.length;
    }
    return whole;
  }
}
