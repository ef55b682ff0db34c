/**
 * Suites that are made of parts, each of which gives some rows of one table: what the parts have in common.
 *
 * @module
 */

/** What a figure must be. */
export interface Goal {
  readonly text: string;
  holds(value: number): boolean;
}

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: Goal | undefined;
  /** The same where there is one hub only. @default nothing to compare with */
  readonly alone?: number | undefined;
}

export interface PartOptions {
  /** A share of the full number, at least 10. */
  readonly some: (full: number) => number;
  /** That share: above 0, at most 1. */
  readonly size: number;
  /** How long a measurement takes, and how often it is repeated, in parts that repeat it. */
  readonly seconds: number;
  readonly rounds: number;
  /** Tells a person how far it is. */
  readonly log: (text: string) => void;
  /** Ends the part as soon as it can. */
  readonly signal: AbortSignal;
}

/** A part of the suite. */
export interface Part {
  /** What `--part` calls it. */
  readonly id: string;
  /** What happens. */
  readonly name: string;
  /** How long it takes at its full size, on two cores that do nothing else. */
  readonly seconds: number;
  run(options: PartOptions): Promise<Row[]>;
}

/** Longer than this is a failure of the bench itself. */
const PATIENCE_MS = 300_000;
const LOOK_EVERY_MS = 50;
const TELL_EVERY_MS = 5_000;

export function row(
  what: string,
  value: number,
  unit: string,
  goal?: Goal,
  alone?: number,
): Row {
  return { what, value, unit, goal, alone };
}

export function atMost(most: number): Goal {
  return { text: `≤ ${most}`, holds: (value) => value <= most };
}

export interface UntilOptions extends Pick<PartOptions, "signal"> {
  /** @default 50 */
  readonly everyMs?: number;
  /** How far it is, told from time to time. */
  readonly progress?: () => void;
}

/** Waits for a fact, and tells when it came, by `performance.now()`. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  { signal, everyMs = LOOK_EVERY_MS, progress }: UntilOptions,
): Promise<number> {
  const lateMs = performance.now() + PATIENCE_MS;
  let tellMs = performance.now() + TELL_EVERY_MS;
  while (!await fact()) {
    if (performance.now() > lateMs) throw new Error(`Waited ${PATIENCE_MS} ms in vain for ${fact}`);
    if (progress !== undefined && performance.now() > tellMs) {
      tellMs += TELL_EVERY_MS;
      progress();
    }
    await sleep(everyMs, signal);
  }
  return performance.now();
}

/** @throws The signal's reason when it fires. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
