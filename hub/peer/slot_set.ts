/**
 * A set whose members come and go by the ten thousand a second.
 *
 * A `Map` or `Set` would make a new table every hundred members; the old one keeps what it held
 * alive for the garbage collector, which costs as much as relaying the call. Here a member knows
 * its place, and the last one takes the place of one that leaves: no order, and no garbage.
 *
 * @module
 */

/** Where its members keep their place: -1 while they are in no set. */
type Placed<K extends string> = { [key in K]: number };

/** Members that are in at most one set by the same key. */
export class SlotSet<K extends string, T extends Placed<K>> {
  readonly #key: K;
  readonly #members: T[] = [];

  /** @param key The property in which members keep their place. */
  constructor(key: K) {
    this.#key = key;
  }

  get size(): number {
    return this.#members.length;
  }

  has(member: T): boolean {
    return this.#members[member[this.#key]] === member;
  }

  /** Adds a member that is not in it. */
  add(member: T): void {
    member[this.#key] = (this.#members.length) as T[K];
    this.#members.push(member);
  }

  /** Takes a member out, if it is in it. */
  delete(member: T): void {
    const key = this.#key;
    const place = member[key] as number;
    if (this.#members[place] !== member) return;
    const last = this.#members.pop()!;
    if (last !== member) {
      this.#members[place] = last;
      last[key] = place as T[K];
    }
    member[key] = -1 as T[K];
  }

  clear(): void {
    for (const member of this.#members) member[this.#key] = -1 as T[K];
    this.#members.length = 0;
  }

  /** Good until the next change: `[...members]` is what one goes through while members change. */
  get members(): readonly T[] {
    return this.#members;
  }
}
