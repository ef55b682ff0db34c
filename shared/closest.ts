/**
 * The words that were probably meant.
 *
 * @module
 */

/** `nearest` looks at no more candidates, so that a bad name costs little. */
export const MAX_CANDIDATES = 2000;

/**
 * The candidate with the fewest edits from `word`, the first of several, or `undefined` when none has
 * two thirds of the letters right. Upper and lower case are the same.
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= least) continue;
    const edits = distance(word.toLowerCase(), candidate.toLowerCase(), least);
    if (edits < least && edits < candidate.length) [best, least] = [candidate, edits];
  }
  return best;
}

/**
 * The candidates nearest to a word, nearest first, equals by name. A candidate that needs
 * more edits than a third of the word (and more than two) is no help and is left out, unless
 * one is the beginning of the other.
 */
export function nearest(word: string, candidates: Iterable<string>, max = 3): string[] {
  const limit = Math.max(2, Math.floor(word.length / 3));
  const found: { name: string; edits: number }[] = [];
  let seen = 0;
  for (const name of candidates) {
    if (++seen > MAX_CANDIDATES) break;
    const prefix = word !== "" && (name.startsWith(word) || word.startsWith(name));
    const edits = prefix ? 1 : distance(word, name, limit);
    if (edits <= limit) found.push({ name, edits });
  }
  found.sort((a, b) => a.edits - b.edits || (a.name < b.name ? -1 : 1));
  return found.slice(0, max).map(({ name }) => name);
}

/**
 * Insertions, deletions, replacements and swaps of neighbours from `a` to `b` (optimal string
 * alignment), or `limit + 1` when they are more than `limit`. Only cells that can stay within the
 * limit are looked at.
 */
export function distance(a: string, b: string, limit = Infinity): number {
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
