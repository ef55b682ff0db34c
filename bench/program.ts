/**
 * A program that a bench starts, waits for and ends.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { CommandLine, Executables } from "./executables.ts";
import { Inspector } from "./inspector.ts";

/** For a program that only starts. */
const READY_WITHIN_MS = 60_000;
/** Linux counts CPU time in ticks of this length: `getconf CLK_TCK` is 100 everywhere. */
const TICK_US = 10_000;

/** What a process has used. */
export interface Usage {
  /** User and system time of all its threads, in microseconds. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  /** The most that `rssBytes` ever was. */
  readonly peakRssBytes: number;
}

/** How Deno tells where its inspector listens. */
const INSPECTOR = /Debugger listening on (ws:\S+)/;

export interface ProgramOptions {
  /** What a line of its stdout says when it is ready. */
  readonly ready: RegExp;
  /** Flags of Deno itself, for a source; an executable has its own. */
  readonly flags?: readonly string[];
  /** With an inspector, which costs it some megabytes. */
  readonly inspect?: boolean;
  /** How many files it may have open, as `ulimit -n` sets it. @default as this process may */
  readonly maxFiles?: number | undefined;
  /** After which it is killed. @default READY_WITHIN_MS */
  readonly readyWithinMs?: number;
}

/** A running program. Disposing of it ends it. */
export class Program implements AsyncDisposable {
  /** In the place of our own programs' sources. */
  static executables: Executables | undefined;
  static readonly #running = new Set<Program>();
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  #inspector: Inspector | undefined;

  private constructor(name: string, child: Deno.ChildProcess) {
    this.#name = name;
    this.#child = child;
    Program.#running.add(this);
  }

  /** Ends all that run: nothing outlives a bench that was interrupted. */
  static async endAll(): Promise<void> {
    await Promise.all([...Program.#running].map((program) => program[Symbol.asyncDispose]()));
  }

  /**
   * Starts a file of this repository, or the executable in its place, and waits for a line of stdout that is `ready`.
   *
   * @throws {Error} If it ends or stays silent.
   */
  static async start(
    file: string,
    args: readonly string[],
    { ready, flags = [], inspect = false, maxFiles, readyWithinMs = READY_WITHIN_MS }:
      ProgramOptions,
  ): Promise<{ program: Program; match: RegExpExecArray }> {
    const inspector = inspect ? "127.0.0.1:0" : undefined;
    const { command, args: words, env } = await Program.executables?.commandLine(file, inspector) ??
      fromSource(file, flags, inspector);
    const line = [command, ...words, ...args];
    // A limit is what a shell can set for what it becomes.
    const limited = maxFiles === undefined
      ? line
      : ["/bin/sh", "-c", `ulimit -n ${maxFiles} && exec "$@"`, "sh", ...line];
    const child = new Deno.Command(limited[0]!, {
      args: limited.slice(1),
      env,
      stdin: "null",
      stdout: "piped",
      stderr: inspect ? "piped" : "inherit",
    }).spawn();
    const program = new Program(file, child);
    try {
      if (inspect) {
        const [, url = ""] = await program.#line(child.stderr, INSPECTOR, readyWithinMs);
        // What else it says is for whoever watches the bench.
        void child.stderr.pipeTo(Deno.stderr.writable, { preventClose: true }).catch(() => {});
        program.#inspector = await Inspector.connect(url);
      }
      return { program, match: await program.#line(child.stdout, ready, readyWithinMs) };
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts a program of somebody else, which need say nothing. */
  static command(command: string, args: readonly string[]): Program {
    const child = new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    return new Program(command, child);
  }

  /** Only if it was started with `inspect`. */
  get inspector(): Inspector {
    if (this.#inspector === undefined) throw new Error(`${this.#name} runs without inspector`);
    return this.#inspector;
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
    const bytes = (key: string) =>
      Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
    return {
      cpuUs: (Number(fields[11]) + Number(fields[12])) * TICK_US,
      rssBytes: bytes("VmRSS"),
      peakRssBytes: bytes("VmHWM"),
    };
  }

  /** Open file descriptors. */
  files(): number {
    return [...Deno.readDirSync(`/proc/${this.pid}/fd`)].length;
  }

  /** Lets it do nothing, or go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Sends a signal, and waits until it has ended. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    this.#inspector?.[Symbol.dispose]();
    await this.#child.status;
    Program.#running.delete(this);
    await this.#child.stdout.cancel().catch(() => {});
  }

  async #line(
    stream: ReadableStream<Uint8Array>,
    ready: RegExp,
    withinMs: number,
  ): Promise<RegExpExecArray> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), withinMs);
    const decoder = new TextDecoder();
    let text = "";
    const reader = stream.getReader();
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

function fromSource(file: string, flags: readonly string[], inspector?: string): CommandLine {
  // Quiet, it would not tell where its inspector is.
  const first = inspector === undefined ? "--quiet" : `--inspect=${inspector}`;
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  return { command: Deno.execPath(), args: ["run", "-A", first, ...flags, path], env: {} };
}
