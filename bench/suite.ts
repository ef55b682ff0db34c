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
  /** Tells a person what happens. */
  readonly log: (text: string) => void;
}

/** Figures for a file, and the same as text. */
export interface SuiteResult {
  readonly figures: unknown;
  readonly text: string;
}

export type Suite = (options: SuiteOptions) => Promise<SuiteResult>;
