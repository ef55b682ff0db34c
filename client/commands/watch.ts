/**
 * `gclient watch COMMAND`: the same command again and again, until Ctrl-C.
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import type { Command } from "../../shared/cli/command.ts";
import { parseDuration } from "../../shared/cli/parse_duration.ts";
import { type Output, UsageError } from "../../shared/cli/program.ts";
import { Exit } from "../print/exit_code.ts";
import { frame } from "../print/screen.ts";
import { clockText } from "../print/table.ts";

/** Between two pictures, also those of `gclient top`. */
export const WATCH_INTERVAL_MS = 2000;
/** A hub is not asked more often. */
const MIN_INTERVAL_MS = 100;

export const watchCommand: Command = {
  name: "watch",
  summary: "Runs a command of gclient again and again, until Ctrl-C",
  description: "Runs a command of gclient again and again, until Ctrl-C: every 2s, or at the " +
    "--interval that you give before the command.",
  examples: [
    "gclient watch hub servers",
    "gclient watch --interval 10s fluentd status edge-1 -o table",
  ],
  args: [{ name: "command", summary: "the command and its options", many: true }],
  async wraps(words, { run, io, signal }) {
    const { intervalMs, line } = split(words);
    const { stdout } = io;
    if (stdout.isTerminal) await stdout.write("\x1b[2J");
    for (;;) {
      let text = "";
      const collected: Output = {
        ...stdout,
        write: (more) => Promise.resolve(void (text += more)),
      };
      const code = await run(line, {
        stdout: collected,
        stderr: stdout.isTerminal ? collected : io.stderr,
      });
      // A line that cannot be understood will not be the next time.
      if (code === Exit.USAGE) {
        if (stdout.isTerminal) await io.stderr.write(text);
        return code;
      }
      signal.throwIfAborted();
      await stdout.write(stdout.isTerminal ? titled(`gclient ${line.join(" ")}`, text) : text);
      await delay(intervalMs, { signal });
    }
  },
};

function split(words: readonly string[]): { intervalMs: number; line: readonly string[] } {
  const [first = "", second = "", ...rest] = words;
  const [, joined] = /^--interval=(.*)$/.exec(first) ?? [];
  const given = joined ?? (first === "--interval" ? second : undefined);
  const line = joined !== undefined ? words.slice(1) : given !== undefined ? rest : words;
  const intervalMs = given === undefined ? WATCH_INTERVAL_MS : parseDuration(given);
  if (intervalMs < MIN_INTERVAL_MS) {
    throw new UsageError(`--interval is at least ${MIN_INTERVAL_MS}ms`);
  }
  if (line.length === 0) {
    throw new UsageError('Nothing to watch: write "gclient watch hub servers"');
  }
  if (line[0] === "top") {
    throw new UsageError("Nothing to watch: gclient top repeats itself", {
      hint: 'Write "gclient top"',
    });
  }
  return { intervalMs, line };
}

function titled(title: string, text: string): string {
  return frame([`${title}    ${clockText(new Date())}`, "", ...text.split("\n")]);
}
