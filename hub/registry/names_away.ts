/**
 * The names that the hub remembers while they are away: a bounded number, shared so that nobody who
 * registers many names has those of others forgotten. Where there are too many, one is forgotten of
 * whoever has most, and there the one that went first.
 *
 * @module
 */

/** Names by owner: the entry of the auth file, or the token, by which they were registered. */
export class NamesAway {
  readonly #max: number;
  /** The one that went first at the front. */
  readonly #owners = new Map<string, string>();
  readonly #byOwner = new Map<string, Set<string>>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#owners.size;
  }

  /** The one that went first at the front. */
  [Symbol.iterator](): Iterator<string> {
    return this.#owners.keys();
  }

  /**
   * Adds a name that is away from now on.
   *
   * @returns A name that is to be forgotten, if there are too many.
   */
  add(name: string, owner: string): string | undefined {
    this.delete(name);
    this.#owners.set(name, owner);
    const names = this.#byOwner.get(owner) ?? new Set();
    names.add(name);
    this.#byOwner.set(owner, names);
    if (this.size <= this.#max) return undefined;
    const forgotten = this.#leastMissed();
    this.delete(forgotten);
    return forgotten;
  }

  delete(name: string): void {
    const owner = this.#owners.get(name);
    if (owner === undefined) return;
    this.#owners.delete(name);
    const names = this.#byOwner.get(owner)!;
    names.delete(name);
    if (names.size === 0) this.#byOwner.delete(owner);
  }

  #leastMissed(): string {
    let most: ReadonlySet<string> = new Set();
    for (const names of this.#byOwner.values()) if (names.size > most.size) most = names;
    // Where everybody has one, it is nobody's fault.
    const [first] = most.size > 1 ? most : this.#owners.keys();
    return first!;
  }
}
