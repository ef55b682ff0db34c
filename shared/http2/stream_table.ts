/**
 * Open streams by their ids.
 *
 * Ids only grow, so that the place of a stream follows from its id. Where two streams want the
 * same place, which takes one that lives long, the table grows; where it may not grow any more, the
 * newer stream goes into a `Map`. A `Map` for all would make a new table, and garbage, every
 * hundred streams.
 *
 *     id ≫ 1 & mask ─▶ places ─▶ Stream
 *
 * @module
 */
import type { Stream } from "./stream.ts";

const FIRST_PLACES = 16;
/** 8 KiB. */
const MAX_PLACES = 1024;

/**
 * The open streams of a connection, found by their ids. An idle connection's table has no places.
 */
export class StreamTable {
  #places: (Stream | undefined)[] = [];
  #others: Map<number, Stream> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    const places = this.#places;
    const found = places[id >> 1 & places.length - 1];
    return found?.id === id ? found : this.#others?.get(id);
  }

  /** Adds a stream whose id is not in the table. */
  add(stream: Stream): void {
    this.#size++;
    this.#put(stream);
  }

  delete(id: number): void {
    const places = this.#places;
    const place = id >> 1 & places.length - 1;
    if (places[place]?.id === id) places[place] = undefined;
    else if (!this.#others?.delete(id)) return;
    this.#size--;
  }

  /** All that are in it now, the oldest first. */
  list(): Stream[] {
    const all = this.#places.filter((stream) => stream !== undefined);
    all.push(...this.#others?.values() ?? []);
    return all.sort((a, b) => a.id - b.id);
  }

  #put(stream: Stream): void {
    const places = this.#places;
    const place = stream.id >> 1 & places.length - 1;
    if (places.length > 0 && places[place] === undefined) places[place] = stream;
    else if (places.length < MAX_PLACES) this.#grow(stream);
    else (this.#others ??= new Map()).set(stream.id, stream);
  }

  #grow(stream: Stream): void {
    const all = this.#places;
    const length = Math.max(FIRST_PLACES, 2 * all.length);
    this.#places = new Array<Stream | undefined>(length).fill(undefined);
    for (const one of all) if (one !== undefined) this.#put(one);
    this.#put(stream);
  }
}
