/**
 * The words that were probably meant.
 *
 * @module
 */

/** No more candidates are looked at, so that a bad name costs little. */
export const MAX_CANDIDATES = 2000;
/** How many of these, those that have most in common with the word, are compared letter by letter. */
const MAX_COMPARED = 32;
/** More edits than these are no slip, however long the word is. */
const MAX_EDITS = 8;
/** Longer words are compared with nothing. */
const MAX_WORD = 256;

/**
 * The candidate with the fewest edits from `word`, the first of several, or `undefined` when none has
 * two thirds of the letters right. Upper and lower case are the same.
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.min(Math.max(2, Math.ceil(word.length / 3)), MAX_EDITS);
  const lower = word.toLowerCase();
  const shortlist = new Shortlist(lower, limit);
  const shown = [...first(candidates, MAX_CANDIDATES)];
  shown.forEach((candidate, i) => shortlist.add(candidate.toLowerCase(), i));
  let best: { readonly at: number; readonly edits: number } | undefined;
  for (const { name, at } of shortlist.take()) {
    const edits = distance(lower, name, { limit });
    if (edits > limit || edits >= name.length) continue;
    if (best === undefined || edits < best.edits || (edits === best.edits && at < best.at)) {
      best = { at, edits };
    }
  }
  return best && shown[best.at];
}

/**
 * The candidates nearest to a word, nearest first, equals by name. A candidate that needs
 * more edits than a third of the word (and more than two) is no help and is left out, unless
 * one is the beginning of the other.
 */
export function nearest(
  word: string,
  candidates: Iterable<string>,
  { max = 3 } = {},
): string[] {
  const limit = Math.min(Math.max(2, Math.floor(word.length / 3)), MAX_EDITS);
  const shortlist = new Shortlist(word, limit);
  let found: { name: string; edits: number }[] = [];
  for (const name of first(candidates, MAX_CANDIDATES)) {
    const prefix = word !== "" && (name.startsWith(word) || word.startsWith(name));
    if (prefix) found = best([...found, { name, edits: 1 }], max);
    else shortlist.add(name, 0);
  }
  for (const { name } of shortlist.take()) {
    const edits = distance(word, name, { limit });
    if (edits <= limit) found.push({ name, edits });
  }
  return best(found, max).map(({ name }) => name);
}

function best(found: { name: string; edits: number }[], max: number) {
  return found.sort((a, b) => a.edits - b.edits || (a.name < b.name ? -1 : 1)).slice(0, max);
}

function* first(candidates: Iterable<string>, most: number): Generator<string> {
  let seen = 0;
  for (const candidate of candidates) {
    if (++seen > most) return;
    yield candidate;
  }
}

/**
 * The candidates that are worth a comparison. A slip leaves the beginning and the end of a word as
 * they are, so those with the shortest part in between come first.
 */
class Shortlist {
  readonly #word: string;
  readonly #limit: number;
  /** By the length of the part that differs. */
  readonly #byRest: { readonly name: string; readonly at: number }[][] = [];

  constructor(word: string, limit: number) {
    this.#word = word;
    this.#limit = limit;
  }

  add(name: string, at: number): void {
    const word = this.#word;
    if (word.length > MAX_WORD || Math.abs(name.length - word.length) > this.#limit) return;
    const [begin, end] = common(name, word);
    const rest = Math.max(name.length, word.length) - begin - end;
    const same = this.#byRest[rest] ??= [];
    if (same.length < MAX_COMPARED) same.push({ name, at });
  }

  take(): { readonly name: string; readonly at: number }[] {
    return Object.values(this.#byRest).flat().slice(0, MAX_COMPARED);
  }
}

/**
 * Insertions, deletions, replacements and swaps of neighbours from `a` to `b` (optimal string
 * alignment), or `limit + 1` when they are more than `limit`. Only cells that can stay within the
 * limit are looked at.
 */
export function distance(a: string, b: string, { limit = Infinity } = {}): number {
  const [begin, end] = common(a, b);
  return edits(a.slice(begin, a.length - end), b.slice(begin, b.length - end), limit);
}

/** How many characters two words have in common at their beginning, and then at their end. */
function common(a: string, b: string): [begin: number, end: number] {
  const shorter = Math.min(a.length, b.length);
  let begin = 0, end = 0;
  while (begin < shorter && a.charCodeAt(begin) === b.charCodeAt(begin)) begin++;
  const lastA = a.length - 1, lastB = b.length - 1;
  while (end < shorter - begin && a.charCodeAt(lastA - end) === b.charCodeAt(lastB - end)) end++;
  return [begin, end];
}

function edits(a: string, b: string, limit: number): number {
  const over = limit + 1;
  if (Math.abs(a.length - b.length) > limit) return over;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => Math.min(j, over));
  for (let i = 1; i <= a.length; i++) {
    const next = new Array<number>(b.length + 1).fill(over);
    next[0] = Math.min(i, over);
    const last = Math.min(b.length, i + limit);
    for (let j = Math.max(1, i - limit); j <= last; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1), over);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, before[j - 2]! + 1);
      }
      next[j] = edits;
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}
