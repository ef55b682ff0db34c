/**
 * What people and scripts see of a run over many servers.
 *
 *     stdout   data alone, as the servers give it
 *     stderr   on a terminal that is not dumb one line: "12/40 ok 11 fail 1 running 3"
 *              else a line for each server: "[edge-1] ok (12 ms)"
 *              "[edge-2] error: …", and a summary at the end
 *
 * @module
 */
import type { Output } from "../../shared/cli/program.ts";
import { printable } from "../../shared/text/printable.ts";
import type { LogDir } from "./log_dir.ts";
import { someNames } from "./some_names.ts";

const CLEAR_LINE = "\r\x1b[K";
/** A terminal is not written to more often. */
const REDRAW_MS = 100;
/** With `--ordered`, no server is called while more than this waits for its turn. */
export const MAX_HELD_CHARACTERS = 32 << 20;
/** And a stream of which this waits is not read on before its turn. */
export const MAX_HELD_OF_ONE = 4 << 20;
/** A summary names no more servers of a kind. */
const MAX_NAMED = 10;

export interface ReportOptions {
  /** What is done: "fluentd.start". */
  readonly title: string;
  readonly targets: readonly string[];
  readonly stdout: Output;
  readonly stderr: Output;
  readonly ordered: boolean;
  /** Only errors and the summary of a run with failures. */
  readonly quiet: boolean;
  readonly logDir: LogDir | undefined;
}

/** Where one server's output goes. */
export interface TargetOutput {
  readonly stdout: Output;
  /** Each line gets the server's name before it. */
  readonly stderr: Output;
  /** Nothing follows. */
  end(result: { readonly ok: boolean; readonly durationMs: number }): Promise<void>;
}

/** What a server's turn will write. */
interface Held {
  readonly writes: { readonly to: Output; readonly text: string }[];
  characters: number;
}

/** Writes it all. When disposed, no line is left on the terminal. */
export class FleetReport implements Disposable {
  readonly #options: ReportOptions;
  readonly #results = new Map<string, boolean>();
  #running = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #shown = false;
  /** With `ordered`: the first target whose turn has not ended, and what others wait with. */
  #turn = 0;
  readonly #held = new Map<string, Held>();
  #heldCharacters = 0;
  #roomWaiters: (() => void)[] = [];
  /** Streams whose turn has not come, and for which there is no room. */
  #turnWaiters: (() => void)[] = [];

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  async begin(name: string): Promise<TargetOutput> {
    const { stdout, stderr, logDir, quiet } = this.#options;
    this.#running++;
    await logDir?.begin(name);
    this.#redraw();
    const output = (to: Output, stream: "stdout" | "stderr"): Output => ({
      isTerminal: false,
      color: false,
      write: async (text) => {
        await logDir?.add(name, stream, text);
        await this.#write(name, to, stream === "stdout" ? text : labelled(name, text));
      },
    });
    const toStderr = output(stderr, "stderr");
    return {
      stdout: output(stdout, "stdout"),
      stderr: toStderr,
      end: async ({ ok, durationMs }) => {
        // On a terminal the one line tells.
        if (ok && !isRedrawn(stderr) && !quiet) {
          await toStderr.write(`ok (${Math.round(durationMs)} ms)\n`);
        }
        logDir?.end(name);
        this.#running--;
        // Last: its turn ends with it.
        this.#results.set(name, ok);
        await this.#nextTurn();
        this.#redraw();
      },
    };
  }

  /** Resolves when another server may be called. */
  async room(): Promise<void> {
    while (this.#heldCharacters > MAX_HELD_CHARACTERS) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
    }
  }

  /** Writes the summary. @returns How many went well; the others failed, or were not tried. */
  async finish(): Promise<{ readonly succeeded: number; readonly others: number }> {
    const { title, targets, stderr, logDir, quiet } = this.#options;
    this[Symbol.dispose]();
    const succeeded = targets.filter((name) => this.#results.get(name) === true);
    const failed = targets.filter((name) => this.#results.get(name) === false);
    const untried = targets.filter((name) => !this.#results.has(name));
    await logDir?.sort({ succeeded, failed, untried });
    if (!quiet || succeeded.length < targets.length) {
      const count = `${title}: ${succeeded.length} of ${targets.length} servers ok`;
      const lists = [named("failed", failed), named("not tried", untried)];
      await stderr.write(`${[count, ...lists].filter((part) => part !== "").join("; ")}\n`);
    }
    return { succeeded: succeeded.length, others: failed.length + untried.length };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#clear();
  }

  async #write(name: string, to: Output, text: string): Promise<void> {
    const { ordered, targets, stdout } = this.#options;
    const mayWrite = () => !ordered || targets[this.#turn] === name;
    const isFull = () => (this.#held.get(name)?.characters ?? 0) > MAX_HELD_OF_ONE;
    // The server whose turn it is never waits here, so that its end lets the others go on.
    while (to === stdout && !mayWrite() && isFull()) {
      await new Promise<void>((resolve) => this.#turnWaiters.push(resolve));
    }
    if (!mayWrite()) {
      const held = this.#held.get(name) ?? { writes: [], characters: 0 };
      this.#held.set(name, held);
      held.writes.push({ to, text });
      held.characters += text.length;
      this.#heldCharacters += text.length;
      return;
    }
    this.#clear();
    await to.write(text);
    this.#redraw();
  }

  /** With `ordered`: writes what waited, up to the first server that still runs. */
  async #nextTurn(): Promise<void> {
    const { ordered, targets } = this.#options;
    if (!ordered) return;
    const writes: Promise<void>[] = [];
    for (; this.#turn < targets.length; this.#turn++) {
      const name = targets[this.#turn]!;
      for (const { to, text } of this.#take(name)) {
        this.#clear();
        // Not awaited here: what the server itself writes now must come after it.
        writes.push(to.write(text));
      }
      if (!this.#results.has(name)) break;
    }
    for (const resolve of this.#turnWaiters.splice(0)) resolve();
    await Promise.all(writes);
    if (this.#heldCharacters > MAX_HELD_CHARACTERS) return;
    for (const resolve of this.#roomWaiters.splice(0)) resolve();
  }

  #take(name: string): Held["writes"] {
    const { writes, characters } = this.#held.get(name) ?? { writes: [], characters: 0 };
    this.#held.delete(name);
    this.#heldCharacters -= characters;
    return writes;
  }

  #redraw(): void {
    const { stderr } = this.#options;
    if (!isRedrawn(stderr) || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const line = this.#statusLine().slice(0, Math.max(1, (stderr.columns ?? 80) - 1));
      stderr.write(`${CLEAR_LINE}${line}`).catch(() => {}); // The next write says it.
      this.#shown = true;
    }, REDRAW_MS);
  }

  #statusLine(): string {
    const { targets } = this.#options;
    const ok = [...this.#results.values()].filter((result) => result).length;
    const fail = this.#results.size - ok;
    return `${this.#results.size}/${targets.length} ok ${ok} fail ${fail} running ${this.#running}`;
  }

  #clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    this.#options.stderr.write(CLEAR_LINE).catch(() => {}); // The next write says it.
  }
}

function isRedrawn({ isTerminal, isDumb = false }: Output): boolean {
  return isTerminal && !isDumb;
}

function labelled(name: string, text: string): string {
  const lines = text.replace(/\n$/, "").split("\n");
  return lines.map((line) => `[${printable(name)}] ${line}\n`).join("");
}

function named(what: string, names: readonly string[]): string {
  return names.length === 0 ? "" : `${names.length} ${what}: ${someNames(names, MAX_NAMED)}`;
}
