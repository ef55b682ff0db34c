/**
 * Bytes that wait, first in, first out.
 *
 * They are copied into few blocks, however small the pieces in which they come: a peer that
 * sends single bytes must not cost an object for each of them.
 *
 * @module
 */

/** Blocks grow with what waits, between these; a longer piece gets a block of its length. */
const MIN_BLOCK_BYTES = 256;
const MAX_BLOCK_BYTES = 16 << 10;

const NOTHING = new Uint8Array();

/** Holds about twice the memory of its bytes at most (but 256 bytes), and none when it is empty. */
export class ByteQueue {
  #blocks: Uint8Array[] = [];
  /** Where the bytes of the first block begin. */
  #start = 0;
  /** Where the bytes of the last block end. */
  #end = 0;
  #length = 0;

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }

  /** Appends a copy. */
  push(bytes: Uint8Array): void {
    const last = this.#blocks.at(-1);
    const fits = last === undefined ? 0 : Math.min(bytes.length, last.length - this.#end);
    if (fits > 0) {
      last!.set(bytes.subarray(0, fits), this.#end);
      this.#end += fits;
    }
    if (fits < bytes.length) this.#append(bytes.subarray(fits));
    this.#length += bytes.length;
  }

  /** The first bytes: at most `max`, and no more than their block has. Good until the next call. */
  peek(max: number): Uint8Array {
    const first = this.#blocks[0];
    if (first === undefined) return NOTHING;
    return first.subarray(this.#start, Math.min(this.#endOfFirst(), this.#start + max));
  }

  /**
   * Takes the first bytes away.
   *
   * @param bytes How many: at most what `peek()` gave.
   */
  drop(bytes: number): void {
    this.#start += bytes;
    this.#length -= bytes;
    if (this.#start < this.#endOfFirst()) return;
    this.#blocks.shift();
    this.#start = 0;
    if (this.#blocks.length === 0) this.#end = 0;
  }

  #append(bytes: Uint8Array): void {
    const size = Math.min(Math.max(this.#length, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES);
    const block = new Uint8Array(Math.max(bytes.length, size));
    block.set(bytes);
    this.#blocks.push(block);
    this.#end = bytes.length;
  }

  #endOfFirst(): number {
    return this.#blocks.length === 1 ? this.#end : this.#blocks[0]?.length ?? 0;
  }
}
