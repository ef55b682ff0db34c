/**
 * Colours for words that say how something is: green for good, yellow for on its way, red for bad.
 *
 * @module
 */
import type { Output } from "../../shared/cli/program.ts";

const GREEN = "32";
const YELLOW = "33";
const RED = "31";

const COLORS: Readonly<Record<string, string>> = {
  ONLINE: GREEN,
  HEALTHY: GREEN,
  SUCCESS: GREEN,
  DRAINING: YELLOW,
  STARTING: YELLOW,
  DEGRADED: YELLOW,
  NOCHANGE: YELLOW,
  OFFLINE: RED,
  STOPPED: RED,
  ORPHANED: RED,
  CRASH_LOOP: RED,
  FAILED: RED,
  FAILED_STARTED: RED,
  FAILED_STOPPED: RED,
};

/** Are colours wanted there? What `--color` says, or else what the stream allows. */
export function isColored(when: string | undefined, output: Output): boolean {
  return when === "always" || (when !== "never" && output.color);
}

/** A word alone in its cell; names of servers are never in capital letters. */
const STATE = new RegExp(`(?<=^|  )(?:${Object.keys(COLORS).join("|")})(?=$|  | \\()`);

/** Colours the first such word of each line of a table. */
export function colorStates(text: string): string {
  return text.split("\n").map((line) =>
    line.replace(STATE, (word) => `\x1b[${COLORS[word]}m${word}\x1b[39m`)
  ).join("\n");
}
