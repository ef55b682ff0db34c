/**
 * The word that was probably meant.
 *
 * @module
 */

/** Edits that still pass for a slip of the finger. */
const MAX_EDITS = 3;

/** The most similar of `words`, or `undefined` when none is near. */
export function closest(word: string, words: readonly string[]): string | undefined {
  const limit = Math.min(MAX_EDITS, Math.ceil(word.length / 3));
  const near = words
    .map((other) => ({ other, edits: distance(word, other) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.other;
}

/** Insertions, deletions, replacements and swaps of neighbours from `a` to `b` (optimal string alignment). */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, before[j - 2]! + 1);
      }
      next.push(edits);
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}
