/**
 * Names that look like a mistyped one.
 *
 * @module
 */

/** More candidates than this are not looked at, so that a bad name costs little. */
export const MAX_CANDIDATES = 2000;

/**
 * The edit distance (Levenshtein) of two words, or `limit + 1` when it is above `limit`.
 * Only the band of cells that can stay within the limit is computed.
 */
export function editDistance(a: string, b: string, limit: number): number {
  const over = limit + 1;
  if (Math.abs(a.length - b.length) > limit) return over;
  let row = Array.from({ length: b.length + 1 }, (_, j) => Math.min(j, over));
  for (let i = 1; i <= a.length; i++) {
    const next = new Array<number>(b.length + 1).fill(over);
    if (i <= limit) next[0] = i;
    let best = next[0] ?? over;
    const last = Math.min(b.length, i + limit);
    for (let j = Math.max(1, i - limit); j <= last; j++) {
      const replaced = (row[j - 1] ?? over) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const value = Math.min(replaced, (row[j] ?? over) + 1, (next[j - 1] ?? over) + 1, over);
      next[j] = value;
      best = Math.min(best, value);
    }
    if (best > limit) return over;
    row = next;
  }
  return row[b.length] ?? over;
}

/**
 * The candidates nearest to a word, nearest first, equals by name. A candidate that needs
 * more edits than a third of the word (and more than two) is no help and is left out, unless
 * one is the beginning of the other.
 */
export function nearest(word: string, candidates: Iterable<string>, max = 3): string[] {
  const limit = Math.max(2, Math.floor(word.length / 3));
  const found: { name: string; distance: number }[] = [];
  let seen = 0;
  for (const name of candidates) {
    if (++seen > MAX_CANDIDATES) break;
    const prefix = word !== "" && (name.startsWith(word) || word.startsWith(name));
    const distance = prefix ? 1 : editDistance(word, name, limit);
    if (distance <= limit) found.push({ name, distance });
  }
  found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return found.slice(0, max).map(({ name }) => name);
}
