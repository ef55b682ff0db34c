/**
 * Whether a person wants what is about to happen.
 *
 * | what                          | on a terminal | elsewhere                |
 * | ----------------------------- | ------------- | ------------------------ |
 * | changes several servers       | asks          | `--yes`, or it is refused |
 * | stops one that collects logs  | asks          | goes on                  |
 * | all else                      | goes on       | goes on                  |
 *
 * @module
 */
import type { Ask } from "../../shared/cli/io.ts";
import { someNames } from "./some_names.ts";

/** A question names no more servers. */
const MAX_NAMED = 5;

export interface Confirmation {
  /** "fluentd.stop". */
  readonly title: string;
  /** Absent name: the hub's only server. */
  readonly targets: readonly string[];
  /** May it change something? */
  readonly changes: boolean;
  /** Does it end the collection of logs? */
  readonly stops: boolean;
  /** `--yes`. */
  readonly yes: boolean;
  readonly signal: AbortSignal;
}

/** - `given`, also where none is needed. `refused`: by a person. `missing`: there is nobody to ask. */
export type Consent = "given" | "refused" | "missing";

/**
 * @param ask Absent where no person sits at a terminal.
 * @throws `signal.reason`, as soon as the signal fires.
 */
export async function askConsent(
  { title, targets, changes, stops, yes, signal }: Confirmation,
  ask: Ask | undefined,
): Promise<Consent> {
  const several = targets.length > 1;
  if (yes || !changes || !(several || stops)) return "given";
  if (ask === undefined) return several ? "missing" : "given";
  const names = someNames(targets, MAX_NAMED);
  const on = several ? ` on ${targets.length} servers (${names})` : names && ` on ${names}`;
  const answer = await ask(`${title}${on}: go on? [y/N] `, signal);
  return /^y(es)?$/i.test(answer?.trim() ?? "") ? "given" : "refused";
}
