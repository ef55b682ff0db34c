/**
 * Fluentd's log: what it says since a moment, and its last lines. Never more than a bounded part
 * of a file is read, from its end.
 *
 * @module
 */
import { redact } from "./redact.ts";

/** A place in a log to read on from; opaque to callers. */
export type LogMark = Readonly<Record<string, string>>;

/** A log that can be read from a mark on. */
export interface FluentdLog {
  /** The place where the log ends now. */
  mark(): Promise<LogMark>;
  /** Complete lines, oldest first; all that the bound allows without a mark. */
  lines(since?: LogMark): Promise<string[]>;
}

/** What is read of a file at most, from its end. */
export const MAX_READ_BYTES = 512 * 1024;
/** Lines of a log tail in an answer. */
export const TAIL_LINES = 40;
/** Characters of each of them. */
export const TAIL_LINE_LENGTH = 500;

/** One or several files; a file that does not exist is an empty one. */
export class FileLog implements FluentdLog {
  readonly #paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  async mark(): Promise<LogMark> {
    const marks = await Promise.all(this.#paths.map(async (path) => [path, await end(path)]));
    return Object.fromEntries(marks);
  }

  async lines(since: LogMark = {}): Promise<string[]> {
    const all = await Promise.all(this.#paths.map((path) => linesOf(path, since[path])));
    return all.flat();
  }
}

/** `inode:offset` of a file's end. */
async function end(path: string): Promise<string> {
  try {
    const { ino, size } = await Deno.stat(path);
    return `${ino}:${size}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function linesOf(path: string, mark = ""): Promise<string[]> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  using _ = file;
  const { ino, size } = await file.stat();
  const [markedIno, offset] = mark.split(":").map(Number);
  // Another inode: it was rotated. Shorter than it was: it was cut. Both times all of it is new.
  const from = markedIno === ino && offset !== undefined && offset <= size ? offset : 0;
  const start = Math.max(from, size - MAX_READ_BYTES);
  await file.seek(start, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size - start);
  let length = 0;
  while (length < bytes.length) {
    const read = await file.read(bytes.subarray(length));
    if (read === null) break;
    length += read;
  }
  const lines = new TextDecoder().decode(bytes.subarray(0, length)).split("\n");
  if (start > from) lines.shift(); // Most likely the second half of a line.
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** The end of these lines as an answer may carry it: few, short, and without secrets. */
export function tailOf(lines: readonly string[]): string[] {
  return lines.slice(-TAIL_LINES).map((line) => {
    // Cut first, so that no line makes the patterns work long; a secret's head is still found.
    return redact(line.slice(0, TAIL_LINE_LENGTH).toWellFormed());
  });
}
