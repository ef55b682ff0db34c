/**
 * Lines of the audit that are written together: see `chain.ts`.
 *
 * They become bytes at once. As strings they would live until they are written, and what lives
 * that long keeps the garbage collector busy.
 *
 * @module
 */
import { NO_BLOCK, prevField } from "./chain.ts";

/** Bytes of a block; one line alone may be longer. */
const BLOCK_BYTES = 64 * 1024;

const PREV = prevField(NO_BLOCK);
const LF = 10;
/** Bytes that a character takes at most in UTF-8, for each unit of UTF-16. */
const MAX_UNIT_BYTES = 3;

const encoder = new TextEncoder();

/** Whole lines, of which the first has room for the hash of the block before. */
export interface OpenBlock {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the hash's field begins. */
  readonly prevAt: number;
}

/** Writes down which block comes before. */
export function seal({ bytes, prevAt }: OpenBlock, prev: string): void {
  encoder.encodeInto(prevField(prev), bytes.subarray(prevAt));
}

/** Gathers lines; the first one gets the hash of the block before, when that is known. */
export class AuditBlock implements OpenBlock {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  #prevAt = 0;
  #lines = 0;
  #dropped = 0;

  /** @param line The first line that it must have room for. */
  constructor(line: string) {
    const needed = MAX_UNIT_BYTES * line.length + PREV.length + 1;
    this.#bytes = new Uint8Array(Math.max(BLOCK_BYTES, needed));
  }

  get lines(): number {
    return this.#lines;
  }

  /** Lines that are lost if this block is: its own, and those that these say were dropped before. */
  get told(): number {
    return this.#lines + this.#dropped;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Adds a line.
   *
   * @param json An object's JSON text.
   * @param dropped How many lines were dropped before it, as it says.
   * @returns False if there is no room for it.
   */
  add(json: string, dropped = 0): boolean {
    const bytes = this.#bytes;
    const first = this.#lines === 0;
    const needed = MAX_UNIT_BYTES * json.length + (first ? PREV.length : 0) + 1;
    if (this.#length + needed > bytes.length) return false;
    this.#append(json);
    if (first) {
      this.#prevAt = this.#length - 1;
      this.#length--;
      this.#append(PREV);
    }
    bytes[this.#length++] = LF;
    this.#lines++;
    this.#dropped += dropped;
    return true;
  }

  /** Its lines; good until it is cleared. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  get prevAt(): number {
    return this.#prevAt;
  }

  /** Forgets its lines. */
  clear(): void {
    this.#length = this.#lines = this.#dropped = 0;
  }

  #append(text: string): void {
    this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }
}
