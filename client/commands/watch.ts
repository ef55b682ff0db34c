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
/** A terminal shows what one run has printed when that ends: of a stream it would be ever more. */
const MAX_SHOWN_CHARACTERS = 1 << 20;
/** Commands that go on by themselves, and how they are written. */
const ENDLESS = ["top", "hub activity", "hub activity-feed"];

export const watchCommand: Command = {
  name: "watch",
  summary: "Runs a command of gclient again and again, until Ctrl-C",
  description: "Runs a command of gclient again and again, until Ctrl-C: every 2s, or at the " +
    "--interval that you give before the command.",
  examples: [
    "gclient watch hub servers",
    "gclient watch --interval 10s fluentd status edge-1 -o table",
  ],
  args: [{ name: "command", summary: "The command and its options", many: true }],
  async wraps(words, { run, io, signal }) {
    const { intervalMs, line } = split(words);
    const { stdout } = io;
    const isTerminal = stdout.isTerminal && !stdout.isDumb;
    if (isTerminal) await stdout.write("\x1b[2J");
    for (;;) {
      let text = "";
      const collected: Output = {
        ...stdout,
        write(more) {
          text += more;
          return text.length > MAX_SHOWN_CHARACTERS ? Promise.reject(TOO_LONG) : Promise.resolve();
        },
      };
      const { stderr } = io;
      const code = await run(
        line,
        isTerminal ? { stdout: collected, stderr: collected } : { stdout, stderr },
      );
      if (text.length > MAX_SHOWN_CHARACTERS) throw TOO_LONG;
      // A line that cannot be understood will not be the next time.
      if (code === Exit.USAGE) {
        if (isTerminal) await stderr.write(text);
        return code;
      }
      signal.throwIfAborted();
      if (isTerminal) await stdout.write(titled(`gclient ${line.join(" ")}`, text));
      await delay(intervalMs, { signal });
    }
  },
};

const TOO_LONG = new UsageError(
  `This command prints more than ${MAX_SHOWN_CHARACTERS} characters, and watch shows a page`,
  { hint: "Run it without watch" },
);

function split(words: readonly string[]): { intervalMs: number; line: readonly string[] } {
  const [first = "", second = "", ...rest] = words;
  const [, joined] = /^--interval=(.*)$/.exec(first) ?? [];
  const given = joined ?? (first === "--interval" ? second : undefined);
  const line = joined !== undefined ? words.slice(1) : given !== undefined ? rest : words;
  const intervalMs = given === undefined ? WATCH_INTERVAL_MS : parseDuration(given);
  if (intervalMs < MIN_INTERVAL_MS) {
    throw new UsageError(`--interval is at least ${MIN_INTERVAL_MS}ms`, {
      hint: `Write --interval ${MIN_INTERVAL_MS}ms or more`,
    });
  }
  if (line.length === 0) {
    throw new UsageError('Nothing to watch: write "gclient watch hub servers"');
  }
  const endless = ENDLESS.find((words) =>
    line.slice(0, words.split(" ").length).join(" ") === words
  );
  if (endless !== undefined) {
    throw new UsageError(`Nothing to watch: gclient ${endless} goes on by itself`, {
      hint: `Write "gclient ${endless}"`,
    });
  }
  return { intervalMs, line };
}

function titled(title: string, text: string): string {
  return frame([`${title}    ${clockText(new Date())}`, "", ...text.split("\n")]);
}
