/**
 * Runs a short command to its end: bounded in time and in what it may say.
 *
 * @module
 */
import { comesWithin, deadline } from "../../../shared/async/deadline.ts";

/** What is kept of each stream, from its end. */
const MAX_OUTPUT_BYTES = 256 * 1024;
/** After the time-out a command may still end by itself, before it is killed; and then be gone. */
const KILL_AFTER_MS = 1000;

const ENGLISH = { LC_ALL: "C.UTF-8" };

export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /**
   * What is set for it in addition to our own environment.
   *
   * @default messages in English, as for a command whose output is read by us
   */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `env` is all that it gets. @default false */
  readonly cleanEnv?: boolean | undefined;
  /** @default where we are */
  readonly cwd?: string | undefined;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `argv` without a shell and without a terminal.
 *
 * @throws {Deno.errors.NotFound} If there is no such program.
 * @throws {TimeoutError} If it takes too long; it is ended then.
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const { timeoutMs, signal, env = ENGLISH, cleanEnv = false, cwd } = options;
  signal.throwIfAborted();
  const [program = "", ...args] = argv;
  const child = new Deno.Command(program, {
    args,
    env: { ...env },
    clearEnv: cleanEnv,
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const out = new Tail(child.stdout);
  const err = new Tail(child.stderr);
  try {
    const result = Promise.all([child.status, out.text, err.text]);
    const [{ code }, stdout, stderr] = await deadline(result, timeoutMs, {
      signal,
      what: `command "${program}"`,
    });
    return { code, stdout, stderr };
  } catch (error) {
    await end(child);
    // Else a grandchild that holds the pipe would keep us.
    await Promise.all([out.cancel(), err.cancel()]);
    throw error;
  }
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      child.kill(signal);
      if (await comesWithin(child.status, KILL_AFTER_MS)) return;
    }
    // An uninterruptible wait in the kernel, such as for a dead disk: nobody can end it.
    child.unref();
  } catch (error) {
    // It ended before the signal.
    if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The end of a stream. */
class Tail {
  readonly text: Promise<string>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.getReader();
    this.text = this.#read();
  }

  async #read(): Promise<string> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for (;;) {
      const { value } = await this.#reader.read();
      if (value === undefined) return await new Blob(chunks).text();
      chunks.push(value);
      length += value.length;
      while (length - (chunks[0]?.length ?? 0) > MAX_OUTPUT_BYTES) {
        length -= chunks.shift()?.length ?? 0;
      }
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** Options of whatever waits or runs something. */
export interface WaitOptions {
  readonly signal: AbortSignal;
}
