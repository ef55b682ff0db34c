/**
 * What a suite of benches is.
 *
 * @module
 */

export interface SuiteOptions {
  /** How long each measurement takes. */
  readonly seconds: number;
  /** How often everything is measured; the medians are shown. */
  readonly rounds: number;
  /** Share of the full size, for suites that count things instead of seconds: above 0, at most 1. */
  readonly size: number;
  /** Only these parts of a suite that has parts; empty means all. */
  readonly parts: readonly string[];
  /** Fires when the run is interrupted: a suite that knows it gives what it has. */
  readonly signal: AbortSignal;
  /** Tells a person what happens. */
  readonly log: (text: string) => void;
}

/** Figures for a file, and the same as text. */
export interface SuiteResult {
  readonly figures: unknown;
  readonly text: string;
  /** How many goals were missed, in a suite that has goals. */
  readonly missed?: number;
}

export type Suite = (options: SuiteOptions) => Promise<SuiteResult>;
