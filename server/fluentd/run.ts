/**
 * Runs a short command to its end: bounded in time and in what it may say.
 *
 * @module
 */
import { deadline, TimeoutError } from "../../shared/async/deadline.ts";

/** What is kept of each stream, from its end. */
const MAX_OUTPUT_BYTES = 256 * 1024;
/** After the time-out a command may still end by itself, before it is killed. */
const KILL_AFTER_MS = 1000;

export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
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
  const { timeoutMs, signal, env = {} } = options;
  signal.throwIfAborted();
  const [program = "", ...args] = argv;
  const child = new Deno.Command(program, {
    args,
    env: { ...env, LC_ALL: "C.UTF-8" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const result = Promise.all([child.status, lastBytes(child.stdout), lastBytes(child.stderr)]);
  try {
    const [{ code }, stdout, stderr] = await deadline(result, timeoutMs, {
      signal,
      what: `command "${program}"`,
    });
    return { code, stdout, stderr };
  } catch (error) {
    await end(child);
    await Promise.allSettled([child.stdout.cancel(), child.stderr.cancel(), result]);
    throw error;
  }
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
    await deadline(child.status, KILL_AFTER_MS).catch((error) => {
      if (!(error instanceof TimeoutError)) throw error;
      child.kill("SIGKILL");
    });
    await child.status;
  } catch (error) {
    // It ended before the signal.
    if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function lastBytes(stream: ReadableStream<Uint8Array>): Promise<string> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    while (length - (chunks[0]?.length ?? 0) > MAX_OUTPUT_BYTES) {
      length -= chunks[0]?.length ?? 0;
      chunks = chunks.slice(1);
    }
  }
  return await new Blob(chunks as BlobPart[]).text();
}
