/**
 * Fluentd's log where its unit writes to the journal.
 *
 * @see https://www.freedesktop.org/software/systemd/man/journalctl.html
 * @module
 */
import { type FluentdLog, type LogMark, type LogPart, TAIL_LINES } from "../log/tail.ts";
import { run, type WaitOptions } from "../system/run.ts";

const JOURNALCTL_TIMEOUT_MS = 10_000;
/** What is read at most. */
const MAX_LINES = 4000;
const CURSOR = /^-- cursor: (\S+)$/;

export class JournalLog implements FluentdLog {
  readonly #command: readonly string[];
  readonly #unit: string;

  constructor(command: readonly string[], unit: string) {
    this.#command = command;
    this.#unit = unit;
  }

  async read(mark: LogMark | undefined, options: WaitOptions): Promise<LogPart> {
    const cursor = mark?.cursor;
    const since = cursor === undefined ? [] : [`--after-cursor=${cursor}`];
    const unit = `--unit=${this.#unit}`;
    const words = [unit, `--lines=${MAX_LINES}`, "--show-cursor", ...since];
    const lines = await this.#read(words, options);
    const next = CURSOR.exec(lines.at(-1) ?? "")?.[1];
    if (next !== undefined) lines.pop();
    const last = next ?? cursor;
    return { lines, mark: last === undefined ? {} : { cursor: last }, unreadable: [] };
  }

  /** What the unit's processes wrote since then, without what systemd says of them. */
  async wordsSince(sinceMs: number, options: WaitOptions): Promise<string[]> {
    const since = `--since=@${Math.floor(sinceMs / 1000)}`;
    const words = [`_SYSTEMD_UNIT=${this.#unit}`, `--lines=${TAIL_LINES}`, since];
    return await this.#read(words, options);
  }

  /** No journal, or no right to read it, is an empty log: others are witnesses then. */
  async #read(args: readonly string[], { signal }: WaitOptions): Promise<string[]> {
    const fixed = ["--output=cat", "--no-pager", "--quiet"];
    try {
      const options = { timeoutMs: JOURNALCTL_TIMEOUT_MS, signal };
      const { code, stdout } = await run([...this.#command, ...fixed, ...args], options);
      return code === 0 ? stdout.split("\n").filter((line) => line !== "") : [];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}
