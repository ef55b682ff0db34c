/**
 * The cause of a failure that Fluentd has not told its log: it may end before that is open, and its
 * workers may print to nowhere, as a daemon's do.
 *
 * @module
 */
import { dryRun, type ShortRunOptions } from "./dry_run.ts";
import { type Failure, type FailureReason, reasonOf } from "./failures.ts";
import { tailOf } from "./log/tail.ts";
import type { Look, Observer } from "./observe/observer.ts";

/** Failures that a bad config can have. */
const BY_CONFIG: ReadonlySet<FailureReason> = new Set(["CRASH_LOOP", "EXITED"]);

export interface CauseOptions extends ShortRunOptions {
  readonly observer: Observer;
  /** After the failure. */
  readonly look: Look;
  /** When the operation began; what was written before is of a former life. */
  readonly sinceMs: number;
}

/**
 * The failure, with what a check of the config says where the log has no error of this life, and with
 * what was written elsewhere where the log has nothing.
 */
export async function withCause(failure: Failure, options: CauseOptions): Promise<Failure> {
  if (!BY_CONFIG.has(failure.reason)) return failure;
  const { observer, look, sinceMs } = options;
  const sentence = look.facts.lastError === undefined ? await checked(options) : undefined;
  const logTail = failure.logTail?.length
    ? failure.logTail
    : tailOf(await observer.manager.lastWords(sinceMs, options));
  const message = sentence === undefined ? failure.message : `${failure.message}; ${sentence}`;
  return { ...failure, message, logTail };
}

/** Why a check refuses the config; `undefined` if it does not. */
async function checked({ observer, ...options }: CauseOptions): Promise<string | undefined> {
  try {
    await dryRun(await observer.manager.launch(options), options);
  } catch (error) {
    options.signal.throwIfAborted();
    // What else may prevent a check is not what was asked for.
    if (reasonOf(error) === "CONFIG_INVALID" && error instanceof Error) return error.message;
  }
  return undefined;
}
