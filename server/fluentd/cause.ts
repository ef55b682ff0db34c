/**
 * The cause of a failure that Fluentd itself has told nobody: its workers may print to nowhere, as a
 * daemon's do.
 *
 * @module
 */
import { dryRun, type ShortRunOptions } from "./dry_run.ts";
import { type Failure, type FailureReason, reasonOf } from "./failures.ts";
import type { Look, Observer } from "./observe/observer.ts";

/** Failures that a bad config can have. */
const BY_CONFIG: ReadonlySet<FailureReason> = new Set(["CRASH_LOOP", "EXITED"]);

/**
 * The failure, with what a check of the config says where the log has no error of this life.
 *
 * @param look After the failure.
 */
export async function withCause(
  failure: Failure,
  { observer, look, ...options }: ShortRunOptions & { observer: Observer; look: Look },
): Promise<Failure> {
  if (!BY_CONFIG.has(failure.reason) || look.facts.lastError !== undefined) return failure;
  try {
    await dryRun(await observer.manager.launch(options), options);
  } catch (error) {
    options.signal.throwIfAborted();
    // What else may prevent a check is not what was asked for.
    if (reasonOf(error) !== "CONFIG_INVALID" || !(error instanceof Error)) return failure;
    return { ...failure, message: `${failure.message}; ${error.message}` };
  }
  return failure;
}
