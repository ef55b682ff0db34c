/**
 * Durations as people type them, and as help shows them.
 *
 *     500ms → 500      5s → 5000      1h30m → 5400000      1.5s → 1500      0 → 0
 *
 * @module
 */
import { UsageError } from "./usage_error.ts";

/** Milliseconds in one unit. */
const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** The longest delay that `setTimeout` keeps, about 24.8 days: beyond it a wait would end at once. */
export const MAX_DURATION_MS = 2 ** 31 - 1;

export interface ParseDurationOptions {
  /** More is refused. @default MAX_DURATION_MS */
  readonly maxMs?: number;
}

/**
 * Reads a duration.
 *
 * @returns Milliseconds.
 * @throws {UsageError} If the text is no duration, or too long a one.
 */
export function parseDuration(
  text: string,
  { maxMs = MAX_DURATION_MS }: ParseDurationOptions = {},
): number {
  if (text === "0") return 0;
  if (!WHOLE.test(text)) {
    const hint = /^\d+(\.\d+)?$/.test(text)
      ? `The unit is missing: write ${text}s or ${text}ms`
      : "Write 500ms, 5s, 2m or 1h30m";
    throw new UsageError(`"${text}" is not a duration`, { hint });
  }
  let ms = 0;
  for (const [, number, unit] of text.matchAll(PART)) {
    ms += Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  if (ms > maxMs) {
    const days = Math.floor(maxMs / UNIT_MS.d);
    throw new UsageError(`"${text}" is too long`, { hint: `At most ${days} days are possible` });
  }
  return ms;
}

/** Writes a duration of whole milliseconds as one that {@linkcode parseDuration} reads. */
export function formatDuration(ms: number): string {
  let [rest, text] = [ms, ""];
  for (const [unit, unitMs] of Object.entries(UNIT_MS).reverse()) {
    const count = Math.floor(rest / unitMs);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * unitMs;
  }
  return text || "0";
}

/** What options have whose value is a duration. */
export const DURATION = {
  value: "DURATION",
  parse: (text: string): number => parseDuration(text),
  show: formatDuration,
} as const;
