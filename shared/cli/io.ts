/**
 * Standard output and standard error as a program sees them, so that tests can give it others.
 *
 * @module
 */
import { whyUnusable } from "../files/why_unusable.ts";

/** A stream of text to the outside. */
export interface Output {
  /**
   * Writes all of it. Writes reach the stream in the order of the calls.
   *
   * @throws {Deno.errors.BrokenPipe} When nobody reads any more.
   * @throws {OutputError} When it cannot be written for another reason, such as a full disk. Not of stderr:
   *     nobody could be told, and how the program ends must not depend on it.
   */
  write(text: string): Promise<void>;
  readonly isTerminal: boolean;
  /** A terminal that knows no escape sequences (`TERM=dumb`): nothing is written over. @default false */
  readonly isDumb?: boolean;
  /** May colours be used? Only on a terminal, without NO_COLOR and with a TERM that knows them. */
  readonly color: boolean;
  /** The width of a terminal at this moment. */
  readonly columns?: number | undefined;
  /** The height of a terminal at this moment. */
  readonly rows?: number | undefined;
}

export interface Io {
  /** Data only: what a program that reads by a pipe is to get. */
  readonly stdout: Output;
  /** All else: progress, warnings, errors. */
  readonly stderr: Output;
  /** Asks the person at the terminal; absent where there is none. */
  readonly ask?: Ask;
}

/**
 * Writes a question to stderr and reads a line of standard input; `undefined` when that has ended.
 *
 * @throws `signal.reason`, as soon as the signal fires.
 */
export type Ask = (question: string, signal: AbortSignal) => Promise<string | undefined>;

type Env = Readonly<Record<string, string | undefined>>;

/** How long a full non-blocking pipe is left alone before the next try. */
const RETRY_MS = 5;

/** What the program has found out could not be written. */
export class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(cause: unknown) {
    super(`Cannot write to standard output: ${whyUnusable(cause)}`, { cause });
  }
}

/** The process's own streams. */
export function processIo(env: Env): Io {
  const stderr = output(Deno.stderr, env, () => undefined);
  return {
    stdout: output(Deno.stdout, env, (error) => new OutputError(error)),
    stderr,
    ...(stderr.isTerminal && Deno.stdin.isTerminal() && { ask: asker(stderr) }),
  };
}

/** Nobody answers a question with more. */
const MAX_ANSWER_BYTES = 1024;

function asker(stderr: Output): Ask {
  return async (question, signal) => {
    await stderr.write(question);
    const bytes = new Uint8Array(MAX_ANSWER_BYTES);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    // What follows begins a line of its own.
    const stop = () => {
      void stderr.write("\n");
      reject(signal.reason);
    };
    signal.throwIfAborted();
    signal.addEventListener("abort", stop, { once: true });
    try {
      // A terminal gives a line at once, when it is complete.
      const count = await Promise.race([Deno.stdin.read(bytes), ended]);
      if (count === null) {
        await stderr.write("\n");
        return undefined;
      }
      return new TextDecoder().decode(bytes.subarray(0, count)).replace(/\r?\n$/, "");
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
}

interface Stream {
  write(bytes: Uint8Array): Promise<number>;
  isTerminal(): boolean;
}

/** @param toError What a failed write throws; `undefined` for nothing. */
function output(
  stream: Stream,
  env: Env,
  toError: (error: unknown) => Error | undefined,
): Output {
  const encoder = new TextEncoder();
  const isTerminal = stream.isTerminal();
  const isDumb = isTerminal && env["TERM"] === "dumb";
  let last: Promise<void> = Promise.resolve();
  return {
    isTerminal,
    isDumb,
    color: isTerminal && !env["NO_COLOR"] && !isDumb,
    get columns() {
      return isTerminal ? terminalSize().columns : undefined;
    },
    get rows() {
      return isTerminal ? terminalSize().rows : undefined;
    },
    write(text) {
      const bytes = encoder.encode(text);
      // After a failed write all later ones fail alike: half a line must not be followed by another.
      last = last.then(async () => {
        try {
          await writeAll(stream, bytes);
        } catch (error) {
          const thrown = error instanceof Deno.errors.BrokenPipe ? error : toError(error);
          if (thrown !== undefined) throw thrown;
        }
      });
      last.catch(() => {}); // the caller may look at it or not
      return last;
    },
  };
}

/** A terminal that does not know its size has the size that all once had. */
const USUAL_SIZE = { columns: 80, rows: 24 };

function terminalSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || USUAL_SIZE.columns, rows: rows || USUAL_SIZE.rows };
  } catch {
    return USUAL_SIZE;
  }
}

/** Unlike a synchronous write, this one leaves the event loop free: Ctrl-C works before a stalled pager. */
async function writeAll(stream: Stream, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    try {
      rest = rest.subarray(await stream.write(rest));
    } catch (error) {
      // The parent made the pipe non-blocking, and it is full.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
