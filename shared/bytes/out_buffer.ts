/**
 * Gathers small writes into few large segments, each with room in front for an outer frame.
 *
 *     segment   ├ HEADROOM ┤ bytes …                    ┤ free ┤
 *                           └ what `take()` hands out ─┘
 *
 * A WebSocket header goes into the headroom, so that framing copies nothing. Segments come
 * from one pool and return to it by `release()`: an idle connection holds none.
 *
 * @module
 */

/** Free bytes in front of what `take()` hands out: the longest unmasked frame header of RFC 6455 §5.2. */
export const HEADROOM = 10;

/** Bytes that one segment can gather: with its headroom 64 KiB, which are four TLS records and no fifth. */
export const SEGMENT_BYTES = (1 << 16) - HEADROOM;

/** Segments kept for reuse; more are left to the garbage collector. */
const MAX_POOLED = 64;

const pool: Uint8Array[] = [];

/** Gives a segment back. The caller must not use it, or a view of it, any more. */
export function release(view: Uint8Array): void {
  if (view.buffer.byteLength === SEGMENT_BYTES + HEADROOM && pool.length < MAX_POOLED) {
    pool.push(new Uint8Array(view.buffer));
  }
}

/** An append-only sequence of bytes, taken out in whole segments. */
export class OutBuffer {
  #full: Uint8Array[] = [];
  #segment: Uint8Array | undefined;
  #end = HEADROOM;
  #bytes = 0;

  /** Bytes gathered and not yet taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Reserves contiguous room and counts it as written.
   *
   * @param length At most `SEGMENT_BYTES`.
   * @returns Where to write: the first reserved byte within `segment`.
   */
  reserve(length: number): number {
    let end = this.#end;
    if (this.#segment === undefined || end + length > this.#segment.length) {
      this.#seal();
      end = HEADROOM;
    }
    this.#end = end + length;
    this.#bytes += length;
    return end;
  }

  /** The segment of the last `reserve()`. */
  get segment(): Uint8Array {
    return this.#segment!;
  }

  /** Appends a copy, cut where a segment ends. */
  write(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      if (this.#segment === undefined || this.#end === this.#segment.length) this.#seal();
      const segment = this.#segment!;
      const n = Math.min(bytes.length - from, segment.length - this.#end);
      segment.set(
        from === 0 && n === bytes.length ? bytes : bytes.subarray(from, from + n),
        this.#end,
      );
      this.#end += n;
      from += n;
    }
    this.#bytes += bytes.length;
  }

  /**
   * Hands out all that was gathered, in order, as views with `HEADROOM` free bytes before each.
   * The caller gives each view back with `release()` when its bytes have left.
   */
  take(): Uint8Array[] {
    if (this.#bytes === 0) return [];
    const views = this.#full;
    if (this.#end > HEADROOM) views.push(this.#segment!.subarray(HEADROOM, this.#end));
    else if (this.#segment !== undefined) release(this.#segment);
    this.#full = [];
    this.#segment = undefined;
    this.#end = HEADROOM;
    this.#bytes = 0;
    return views;
  }

  #seal(): void {
    if (this.#segment !== undefined) this.#full.push(this.#segment.subarray(HEADROOM, this.#end));
    this.#segment = pool.pop() ?? new Uint8Array(SEGMENT_BYTES + HEADROOM);
    this.#end = HEADROOM;
  }
}
