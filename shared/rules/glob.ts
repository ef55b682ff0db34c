/**
 * Patterns for names in an auth or policy file.
 *
 *     edge-*      matches  edge-1            but not  edge-1/payments
 *     edge-1/*    matches  edge-1/payments   but not  edge-1
 *     **          matches  everything
 *     edge-1      matches  edge-1 alone
 *
 * `*` stands for any run of characters without a slash, `**` for any run. Nothing else is
 * special: a dot is a dot.
 *
 * @module
 */

/** Longer patterns are refused. */
export const MAX_PATTERN_LENGTH = 256;

export interface Glob {
  readonly pattern: string;
  matches(text: string): boolean;
}

/** A character, or a run of characters with (`**`) or without (`*`) slashes. */
type Step = string | typeof RUN | typeof ANY_RUN;
const RUN = Symbol("*");
const ANY_RUN = Symbol("**");

export interface GlobOptions {
  /** @default false */
  readonly ignoreCase?: boolean;
}

/**
 * Compiles a pattern.
 *
 * @throws {SyntaxError} If it is empty, too long, or has three stars in a row.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { glob } from "./glob.ts";
 *
 * assert.ok(glob("edge-*").matches("edge-1"));
 * assert.ok(!glob("edge-*").matches("edge-1/payments"));
 * ```
 */
export function glob(pattern: string, { ignoreCase = false }: GlobOptions = {}): Glob {
  if (pattern === "" || pattern.length > MAX_PATTERN_LENGTH) {
    throw new SyntaxError(`A pattern has 1 to ${MAX_PATTERN_LENGTH} characters`);
  }
  if (pattern.includes("***")) throw new SyntaxError("*** is no pattern: write * or **");
  if (pattern === "**") return { pattern, matches: () => true };
  const folded = ignoreCase ? pattern.toLowerCase() : pattern;
  const steps = [...folded.matchAll(/\*\*|\*|[^*]/gu)].map(([part]): Step =>
    part === "**" ? ANY_RUN : part === "*" ? RUN : part
  );
  if (steps.every((step) => typeof step === "string")) {
    return { pattern, matches: (text) => (ignoreCase ? text.toLowerCase() : text) === folded };
  }
  return { pattern, matches: (text) => walk(steps, ignoreCase ? text.toLowerCase() : text) };
}

/**
 * Follows all ways through a pattern at once, so that no text, however it was made, costs more than
 * its length times the pattern's.
 */
function walk(steps: readonly Step[], text: string): boolean {
  let reached = entered(steps, [0]);
  for (const char of text) {
    const next = new Set<number>();
    for (const at of reached) {
      const step = steps[at];
      if (step === ANY_RUN || (step === RUN && char !== "/")) next.add(at);
      else if (step === char) next.add(at + 1);
    }
    if (next.size === 0) return false;
    reached = entered(steps, next);
  }
  return reached.has(steps.length);
}

/** A run may be empty: a place before it is also a place after it. */
function entered(steps: readonly Step[], positions: Iterable<number>): Set<number> {
  const all = new Set<number>();
  for (let at of positions) {
    all.add(at);
    while (typeof steps[at] === "symbol") all.add(++at);
  }
  return all;
}

/** Whether one of them matches. */
export function anyMatches(globs: readonly Glob[], text: string): boolean {
  return globs.some((one) => one.matches(text));
}
