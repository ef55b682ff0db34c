/**
 * gclient, or a shell, on a terminal of a given size, with a person who types: a pseudo-terminal by
 * `script`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { cleanEnv, commandLine, source } from "../../tests/support/process.ts";
import { until, within } from "../../tests/support/until.ts";

/** Keys that end something. */
export const CTRL_C = "\x03";
export const CTRL_D = "\x04";

/** Is there what makes a terminal? */
export const HAS_TERMINAL: boolean =
  (await new Deno.Command("sh", { args: ["-c", "command -v script"], stdout: "null" }).output())
    .success;

export interface TerminalOptions {
  readonly columns: number;
  readonly rows?: number;
  /** Runs in the same terminal when gclient has ended; without it gclient is the only process there. */
  readonly after?: string;
  /**
   * A command line of `sh`, in which `gclient` stands for gclient and its arguments.
   * @default "exec gclient"
   */
  readonly line?: string;
  /** A command that runs in its place, which shows itself what is typed. */
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class Terminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #read: Promise<void>;
  #shown = "";

  /** @param args Of gclient: words without quotes and blanks. */
  constructor(args: readonly string[], options: TerminalOptions) {
    const { columns, rows = 24, after, line = "exec gclient", shell, env = {} } = options;
    const gclient = [...commandLine(source("client/main.ts")), ...args].join(" ");
    // The keys that end gclient go to the shell as well, which must outlive it.
    const command = after === undefined
      ? shell ?? line.replace("gclient", gclient)
      : `trap : INT; tty; sh -c 'echo pid $$; exec ${gclient}'; code=$?; ${after}; exit $code`;
    const echo = shell === undefined ? "-echo" : "echo";
    const child = this.#child = new Deno.Command("script", {
      // The terminal's own echo would be mixed with what gclient writes.
      args: ["-qec", `stty rows ${rows} cols ${columns} ${echo}; ${command}`, "/dev/null"],
      clearEnv: true,
      env: { ...cleanEnv(), TERM: "xterm", NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keys = child.stdin.getWriter();
    this.#read = (async () => {
      const text = child.stdout.pipeThrough(new TextDecoderStream());
      for await (const chunk of text) this.#shown += chunk;
    })();
  }

  /** All that was written to it. */
  get shown(): string {
    return this.#shown;
  }

  /** Waits until this is shown. */
  async shows(text: RegExp): Promise<void> {
    await until(
      `${text} on the terminal, which shows ${JSON.stringify(this.#shown)}`,
      () => text.test(this.#shown),
    );
  }

  async type(text: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(text));
  }

  /** Gives it another size, as somebody does who moves the edge of its window. It needs `after`. */
  async resize({ columns, rows }: { columns: number; rows: number }): Promise<void> {
    const [, tty = ""] = /^(\/dev\/\S+)/.exec(this.#shown) ?? [];
    const args = ["-F", tty, "rows", String(rows), "cols", String(columns)];
    assert.ok((await new Deno.Command("stty", { args }).output()).success, `the size of "${tty}"`);
  }

  /** Sends a signal to gclient. It needs `after`. */
  kill(signal: Deno.Signal): void {
    const [, pid] = /^pid (\d+)/m.exec(this.#shown) ?? [];
    Deno.kill(Number(pid), signal);
  }

  /** Waits for the end of gclient, and gives its exit code. */
  async ended(): Promise<number> {
    const { code } = await within("the end of gclient", this.#child.status);
    await this.#read;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#read;
    await this.#keys.close().catch(() => {});
  }
}
