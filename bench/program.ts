/**
 * A program that a bench starts, waits for and ends.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const READY_WITHIN_MS = 60_000;
/** Linux counts CPU time in ticks of this length: `getconf CLK_TCK` is 100 everywhere. */
const TICK_US = 10_000;

/** What a process has used. */
export interface Usage {
  /** User and system time of all its threads, in microseconds. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** A running program. Disposing of it ends it. */
export class Program implements AsyncDisposable {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;

  private constructor(name: string, child: Deno.ChildProcess) {
    this.#name = name;
    this.#child = child;
  }

  /**
   * Starts a file of this repository, and waits for a line of stdout that is `ready`.
   *
   * @param flags Flags of Deno itself.
   *
   * @throws {Error} If it ends or stays silent.
   */
  static async start(
    file: string,
    args: readonly string[],
    { ready, flags = [] }: { readonly ready: RegExp; readonly flags?: readonly string[] },
  ): Promise<{ program: Program; match: RegExpExecArray }> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        ...flags,
        fileURLToPath(new URL(`../${file}`, import.meta.url)),
        ...args,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const program = new Program(file, child);
    try {
      return { program, match: await program.#line(ready) };
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What it has used until now. */
  async usage(): Promise<Usage> {
    const { pid } = this.#child;
    // After the name in parentheses, which may hold anything: field 14 is utime, 15 is stime.
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const rss = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return {
      cpuUs: (Number(fields[11]) + Number(fields[12])) * TICK_US,
      rssBytes: Number(rss) * 1024,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#child.stdout.cancel().catch(() => {});
  }

  async #line(ready: RegExp): Promise<RegExpExecArray> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), READY_WITHIN_MS);
    const decoder = new TextDecoder();
    let text = "";
    const reader = this.#child.stdout.getReader();
    try {
      while (true) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`Cannot start ${this.#name}: it ended before it was ready`);
        text += decoder.decode(value, { stream: true });
        const match = ready.exec(text);
        if (match !== null) return match;
      }
    } finally {
      clearTimeout(timer);
      reader.releaseLock();
    }
  }
}
