/**
 * The dynamic table (RFC 7541 §2.3.2 and §4): a queue of fields, the newest first, that is bounded
 * in bytes.
 *
 * It is a ring that doubles when it is full, from nothing: a connection that never indexes a field
 * pays for an empty object.
 *
 * @module
 */
import type { Field } from "../header_list.ts";

/** Bytes that a field counts for in addition to its name and value (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export const FIELD_OVERHEAD = 32;

/** Slots of the first ring; doubling keeps it a power of two. */
const FIRST_SLOTS = 16;

/** The size of a field, as tables and header lists count it. */
export function fieldBytes(field: Field): number {
  return field[0].length + field[1].length + FIELD_OVERHEAD;
}

export class DynamicTable {
  #ring: (Field | undefined)[] = [];
  /** Slot of the newest field. */
  #newest = 0;
  #length = 0;
  #bytes = 0;
  #maxBytes: number;
  #version = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Number of fields. */
  get length(): number {
    return this.#length;
  }

  /** Sum of the fields' sizes; never over the maximum. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Changes whenever an index may mean something else than before. */
  get version(): number {
    return this.#version;
  }

  /** The field at `index`, 0 being the newest. */
  get(index: number): Field | undefined {
    if (index >= this.#length) return undefined;
    return this.#ring[this.#newest - index & this.#ring.length - 1];
  }

  /** Adds a field and evicts old ones for it; one that is larger than the table empties it (§4.4). */
  add(field: Field): void {
    const bytes = fieldBytes(field);
    this.#version++;
    this.#evict(this.#maxBytes - bytes);
    if (bytes > this.#maxBytes) return;
    if (this.#length === this.#ring.length) this.#grow();
    this.#newest = this.#newest + 1 & this.#ring.length - 1;
    this.#ring[this.#newest] = field;
    this.#length++;
    this.#bytes += bytes;
  }

  /** Sets the maximum and evicts what is over it (§4.3). */
  resize(maxBytes: number): void {
    this.#version++;
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  #evict(targetBytes: number): void {
    while (this.#bytes > targetBytes && this.#length > 0) {
      const oldest = this.#newest - (--this.#length) & this.#ring.length - 1;
      this.#bytes -= fieldBytes(this.#ring[oldest]!);
      this.#ring[oldest] = undefined;
    }
  }

  /** Moves the fields to a ring of twice the slots, the oldest to slot 0. */
  #grow(): void {
    const length = this.#length;
    const ring = new Array<Field | undefined>(length === 0 ? FIRST_SLOTS : 2 * length);
    for (let i = 0; i < length; i++) ring[i] = this.get(length - 1 - i);
    this.#ring = ring.fill(undefined, length);
    this.#newest = length - 1;
  }
}
