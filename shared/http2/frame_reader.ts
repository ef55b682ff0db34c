/**
 * Cuts a byte stream into frames (RFC 9113 §4.1), wherever the bytes happen to break.
 *
 * A DATA frame may be re-cut anywhere by whoever passes it on, so its payload goes on in the
 * pieces in which it comes. All other frames, and padded DATA, are gathered whole.
 *
 * @module
 */
import {
  DEFAULT_MAX_FRAME_BYTES,
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  Http2Error,
  readUint31,
} from "./frames.ts";

/** Who takes the frames. Byte arrays are views that are good during the call only. */
export interface FrameSink {
  /** A whole frame, its length within bounds; not called for DATA without padding. */
  frame(type: number, flags: number, id: number, payload: Uint8Array): void;
  /** The header of a DATA frame without padding. */
  dataBegin(flags: number, id: number, length: number): void;
  /** The next piece of that frame's payload; `left` bytes of it are still to come. */
  dataPiece(piece: Uint8Array, left: number): void;
}

/** Stateful, no I/O. Throws what the sink throws, and `Http2Error` for a frame over 16384 bytes. */
export class FrameReader {
  readonly #sink: FrameSink;
  /** A header that the last input cut in two. */
  #head: Uint8Array | undefined;
  #headFill = 0;
  /** A payload that is being gathered. */
  #payload: Uint8Array | undefined;
  #payloadFill = 0;
  #type = 0;
  #flags = 0;
  #id = 0;
  /** Bytes of a DATA payload still to come. */
  #dataLeft = 0;
  #stopped = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Bytes that are kept for a frame that is not complete. */
  get gatheredBytes(): number {
    return this.#payload?.length ?? 0;
  }

  /**
   * Takes bytes as they come; calls the sink for each frame or piece.
   *
   * @param maxSteps How many frames or pieces at most.
   * @returns How many of the bytes it has taken; the others are to be given again.
   */
  push(input: Uint8Array, maxSteps: number = Infinity): number {
    let at = 0;
    const end = input.length;
    for (let left = maxSteps; at < end && !this.#stopped && left > 0; left--) {
      if (this.#dataLeft > 0) {
        const n = Math.min(this.#dataLeft, end - at);
        this.#dataLeft -= n;
        this.#sink.dataPiece(input.subarray(at, at + n), this.#dataLeft);
        at += n;
      } else if (this.#payload !== undefined) {
        at += this.#gather(this.#payload, input, at);
      } else if (this.#headFill > 0 || end - at < FRAME_HEADER_BYTES) {
        const n = Math.min(FRAME_HEADER_BYTES - this.#headFill, end - at);
        const head = this.#head ??= new Uint8Array(FRAME_HEADER_BYTES);
        head.set(input.subarray(at, at + n), this.#headFill);
        this.#headFill += n;
        at += n;
        if (this.#headFill === FRAME_HEADER_BYTES) {
          this.#headFill = 0;
          at = this.#begin(head, 0, input, at);
        }
      } else {
        at = this.#begin(input, at, input, at + FRAME_HEADER_BYTES);
      }
    }
    return this.#stopped ? end : at;
  }

  /** Reads no further, not even what is left of the input under way. */
  stop(): void {
    this.#stopped = true;
  }

  /** Reads a header at `head[from]`; the payload starts at `input[at]`. Returns where to go on. */
  #begin(head: Uint8Array, from: number, input: Uint8Array, at: number): number {
    const length = head[from]! << 16 | head[from + 1]! << 8 | head[from + 2]!;
    const type = head[from + 3]!;
    const flags = head[from + 4]!;
    const id = readUint31(head, from + 5);
    if (length > DEFAULT_MAX_FRAME_BYTES) {
      throw new Http2Error(
        ErrorCode.FRAME_SIZE_ERROR,
        `Frame of ${length} bytes is over the limit`,
      );
    }
    if (type === FrameType.DATA && (flags & Flag.PADDED) === 0) {
      this.#sink.dataBegin(flags, id, length);
      this.#dataLeft = length;
      if (length === 0) this.#sink.dataPiece(input.subarray(at, at), 0);
      return at;
    }
    if (input.length - at >= length) {
      this.#sink.frame(type, flags, id, input.subarray(at, at + length));
      return at + length;
    }
    this.#type = type;
    this.#flags = flags;
    this.#id = id;
    this.#payload = new Uint8Array(length);
    this.#payloadFill = 0;
    return at;
  }

  #gather(payload: Uint8Array, input: Uint8Array, at: number): number {
    const n = Math.min(payload.length - this.#payloadFill, input.length - at);
    payload.set(input.subarray(at, at + n), this.#payloadFill);
    this.#payloadFill += n;
    if (this.#payloadFill === payload.length) {
      this.#payload = undefined;
      this.#sink.frame(this.#type, this.#flags, this.#id, payload);
    }
    return n;
  }
}
