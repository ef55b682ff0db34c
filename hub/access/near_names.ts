/**
 * Finds known names that look like an unknown one, for an error that helps. A caller can ask for it
 * with each call, so the work is bounded: answers are remembered until a name comes or goes, and new
 * ones are worked out `MAX_SEARCHES_PER_S` times a second. Beyond that an error has no such hint.
 *
 * @module
 */
import { MAX_CANDIDATES, nearest } from "../../shared/text/closest.ts";
import type { Grant } from "../../shared/rules/rules.ts";
import type { ServerName } from "../registry/tunnel.ts";

/** Each takes about a millisecond at most. */
export const MAX_SEARCHES_PER_S = 20;
/** Answers remembered; the oldest is forgotten first. */
export const MAX_REMEMBERED_NAMES = 256;
/** Names looked at in one search, whether or not the caller may see them. */
const MAX_LOOKED_AT = 2 * MAX_CANDIDATES;

/** What must be known of the registry. */
export interface KnownNames {
  known(): Iterable<ServerName>;
  readonly changes: number;
}

/** Who asks, and what it may see. */
export interface Asker {
  readonly grant: Grant;
  readonly sees: (name: ServerName) => boolean;
}

interface Remembered {
  readonly grant: Grant;
  readonly changes: number;
  readonly names: readonly string[];
}

/** Finds names that are like one, with bounded work. */
export class NearNames {
  readonly #registry: KnownNames;
  readonly #now: () => number;
  readonly #remembered = new Map<string, Remembered>();
  #second = 0;
  #searches = 0;

  /** @param now Milliseconds of a clock that only goes forward. */
  constructor(registry: KnownNames, now: () => number = () => performance.now()) {
    this.#registry = registry;
    this.#now = now;
  }

  /** Names like this one that the asker may see, the nearest first. */
  of(word: string, { grant, sees }: Asker): readonly string[] {
    const { changes } = this.#registry;
    const before = this.#remembered.get(word);
    if (before?.grant === grant && before.changes === changes) return before.names;
    if (!this.#maySearch()) return [];
    const names = nearest(word, visible(this.#registry.known(), sees));
    this.#remembered.delete(word);
    this.#remembered.set(word, { grant, changes, names });
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_REMEMBERED_NAMES) break;
      this.#remembered.delete(oldest);
    }
    return names;
  }

  #maySearch(): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) [this.#second, this.#searches] = [second, 0];
    return this.#searches++ < MAX_SEARCHES_PER_S;
  }
}

function* visible(
  names: Iterable<ServerName>,
  sees: (name: ServerName) => boolean,
): Generator<ServerName> {
  let looked = 0;
  for (const name of names) {
    if (++looked > MAX_LOOKED_AT) return;
    if (sees(name)) yield name;
  }
}
