/**
 * Fluentd's log: what it says since a moment, and its last lines. Never more than a bounded part
 * of a file is read, from its end.
 *
 * @module
 */
import { redact } from "./redact.ts";

/** A place in a log to read on from; opaque to callers. */
export type LogMark = Readonly<Record<string, string>>;

/** What a log says since a mark. */
export interface LogPart {
  /** Complete lines, oldest first. */
  readonly lines: readonly string[];
  /** Where to read on. */
  readonly mark: LogMark;
  /** Files that we may not read. */
  readonly unreadable: readonly string[];
}

/** Options of whoever reads now: a log is kept for longer than one call. */
export interface ReadOptions {
  readonly signal: AbortSignal;
}

/** A log that can be read from a mark on. */
export interface FluentdLog {
  /** What was written since the mark; the end of the log, as far as the bound allows, without one. */
  read(since: LogMark | undefined, options: ReadOptions): Promise<LogPart>;
}

/** What is read of a file without a mark at most, from its end. */
export const MAX_READ_BYTES = 512 * 1024;
/** What is read of it from a mark on: an output to the log may write this much between two looks. */
export const MAX_FOLLOW_BYTES = 8 * 1024 * 1024;
/** Lines of a log tail in an answer. */
export const TAIL_LINES = 40;
/** Characters of each of them. */
export const TAIL_LINE_LENGTH = 500;

/** One or several files; a file that does not exist is an empty one. */
export class FileLog implements FluentdLog {
  readonly #paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.#paths = [...new Set(paths)];
  }

  async read(since: LogMark = {}): Promise<LogPart> {
    const parts = await Promise.all(this.#paths.map((path) => readPart(path, since[path])));
    return {
      lines: parts.flatMap(({ lines }) => lines),
      mark: Object.fromEntries(this.#paths.map((path, i) => [path, parts[i]?.mark ?? ""])),
      unreadable: this.#paths.filter((_, i) => parts[i]?.mark === undefined),
    };
  }
}

interface FilePart {
  readonly lines: readonly string[];
  /** `inode:offset` after the last complete line; absent if we may not read it. */
  readonly mark?: string;
}

async function readPart(path: string, mark: string | undefined): Promise<FilePart> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { lines: [], mark: "" };
    if (error instanceof Deno.errors.PermissionDenied) return { lines: [] };
    throw error;
  }
  using _ = file;
  const { ino, size } = await file.stat();
  const [markedIno, offset] = (mark ?? "").split(":").map(Number);
  // Another inode: it was rotated. Shorter than it was: it was cut. Both times all of it is new.
  const from = markedIno === ino && offset !== undefined && offset <= size ? offset : 0;
  const limit = mark === undefined ? MAX_READ_BYTES : MAX_FOLLOW_BYTES;
  const start = Math.max(from, size - limit);
  await file.seek(start, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size - start);
  let length = 0;
  while (length < bytes.length) {
    const read = await file.read(bytes.subarray(length));
    if (read === null) break;
    length += read;
  }
  // What is written in this moment is read the next time.
  const end = bytes.lastIndexOf(LF, length - 1) + 1;
  const lines = new TextDecoder().decode(bytes.subarray(0, end)).split("\n");
  if (start > from) lines.shift(); // Most likely the second half of a line.
  if (lines.at(-1) === "") lines.pop();
  return { lines, mark: `${ino}:${start + end}` };
}

const LF = 0x0a;

/** The end of these lines as an answer may carry it: few, short, and without secrets. */
export function tailOf(lines: readonly string[]): string[] {
  return lines.slice(-TAIL_LINES).map((line) => {
    // Cut first, so that no line makes the patterns work long; a secret's head is still found.
    return redact(line.slice(0, TAIL_LINE_LENGTH).toWellFormed());
  });
}
