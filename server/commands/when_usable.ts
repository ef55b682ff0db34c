/**
 * Waits for what a program cannot start without, and may not have yet: a file on a disk that is mounted
 * later, a secret that is still to be copied. Ending would lose the machine, if nobody is near it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { Complaint } from "../../shared/async/complaint.ts";
import { delay } from "../../shared/async/delay.ts";

/** Between two tries. */
const RETRY_MS = 1_000;
/** The same trouble is said again at least this often. */
const MOST_SILENT_MS = 3_600_000;

/** Options of {@linkcode whenUsable}. */
export interface WhenUsableOptions {
  /** For the log: `the policy file`. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** Called once, when it is not usable at once. */
  readonly onWaiting: (why: string) => void;
}

/**
 * Tries until `make` gives something, and says loudly what it waits for: at once, then less and less
 * often.
 *
 * @throws `signal.reason`, when the signal fires.
 */
export async function whenUsable<T>(
  make: () => T,
  { what, signal, onWaiting }: WhenUsableOptions,
): Promise<T> {
  const log = getLogger(["server"]);
  const complaint = new Complaint({ mostMs: MOST_SILENT_MS });
  for (let tries = 0;; tries++) {
    signal.throwIfAborted();
    try {
      const made = make();
      if (tries > 0) log.info("{what} can be used now", { what });
      return made;
    } catch (error) {
      const { message } = error as Error;
      if (complaint.isDue(message)) {
        log.error("Waiting until {what} can be used: {message}", { what, message });
      }
      if (tries === 0) onWaiting(message);
    }
    await delay(RETRY_MS, { signal });
  }
}
