/**
 * The audit's file, renamed when it has grown:
 *
 *     audit.jsonl  →  audit.jsonl.1  →  audit.jsonl.2  →  …  →  removed
 *
 * Its chain goes on over the files, and over restarts of the hub.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { dirname } from "node:path";
import { blockHash, NO_BLOCK, prevOf } from "./chain.ts";
import type { AuditSink } from "./record.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

/** What is read of a file to find its last block, at first. */
const TAIL_BYTES = 1024 * 1024;
const OWNER_ONLY = 0o600;
const LF = 10;

/** How large the audit's file may grow, and how many older ones are kept. */
export interface AuditFileOptions {
  /** A file is renamed, and a new one begun, when it would become larger. */
  readonly maxBytes: number;
  /** How many renamed files are kept. */
  readonly maxFiles: number;
}

/** A file of the audit that was told nothing. */
export const AUDIT_FILE = { maxBytes: 64 << 20, maxFiles: 10 } as const satisfies AuditFileOptions;

/** The file of the audit, which is renamed when it has grown. */
export class AuditFile implements AuditSink {
  readonly #path: string;
  readonly #options: AuditFileOptions;
  #file: Deno.FsFile;
  /** Bytes of whole lines. */
  #size: number;
  #pending = 0;
  /** Opened in the place of `#file`, for the next lines. */
  #next: Deno.FsFile | undefined;
  /** The hash of the last block that was there when it was opened. */
  readonly head: string;

  private constructor(
    path: string,
    options: AuditFileOptions,
    { file, size, head }: { file: Deno.FsFile; size: number; head: string },
  ) {
    this.#path = path;
    this.#options = options;
    this.#file = file;
    this.#size = size;
    this.head = head;
  }

  /** @throws {Error} If it cannot be opened. */
  static open(path: string, options: AuditFileOptions): AuditFile {
    let file: Deno.FsFile | undefined;
    try {
      Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      file = openFile(path);
      const { size, head } = mend(file, path);
      return new AuditFile(path, options, { file, size, head: head ?? headOfOlder(path) });
    } catch (cause) {
      file?.close();
      throw new Error(`Cannot open audit log ${path}: ${whyUnusable(cause)}`, { cause });
    }
  }

  /** See `Audit.reopen`. */
  reopen(): boolean {
    if (isAt(this.#path, this.#next ?? this.#file)) return false;
    const next = openFile(this.#path);
    this.#next?.close();
    this.#next = next;
    return true;
  }

  async begin(bytes: number): Promise<void> {
    // First: what goes wrong here is no reason to take back the lines before.
    this.#pending = 0;
    if (this.#next !== undefined) this.#goOnIn(this.#next);
    if (this.#size > 0 && this.#size + bytes > this.#options.maxBytes) await this.#rotate();
  }

  async write(bytes: Uint8Array): Promise<number> {
    const n = await this.#file.write(bytes);
    this.#size += n;
    this.#pending += n;
    return n;
  }

  /** Takes back the part of the last lines that was written: half a line is none. */
  async undo(): Promise<void> {
    this.#size -= this.#pending;
    this.#pending = 0;
    await this.#file.truncate(this.#size);
  }

  close(): void {
    this.#file.close();
    this.#next?.close();
  }

  #goOnIn(next: Deno.FsFile): void {
    this.#file.close();
    this.#file = next;
    this.#size = next.statSync().size;
    this.#next = undefined;
  }

  async #rotate(): Promise<void> {
    // Else it was renamed already, and only the new one could not be opened: once is enough.
    if (isAt(this.#path, this.#file)) await this.#putAside();
    this.#goOnIn(openFile(this.#path));
  }

  async #putAside(): Promise<void> {
    const { maxFiles } = this.#options;
    for (let i = maxFiles; i >= 1; i--) {
      const from = i === 1 ? this.#path : `${this.#path}.${i - 1}`;
      await Deno.rename(from, `${this.#path}.${i}`).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
    if (maxFiles === 0) await Deno.remove(this.#path);
  }
}

/** Whether a path still leads to this open file. */
function isAt(path: string, file: Deno.FsFile): boolean {
  try {
    const there = Deno.statSync(path);
    const { dev, ino } = file.statSync();
    return there.dev === dev && there.ino === ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function openFile(path: string): Deno.FsFile {
  return Deno.openSync(path, { read: true, append: true, create: true, mode: OWNER_ONLY });
}

/**
 * Looks at the end of a file: a line that a crash has cut off is taken away.
 *
 * @returns `head` is `undefined` for a file without lines.
 */
function mend(file: Deno.FsFile, path: string): { size: number; head: string | undefined } {
  const { size, isFile } = file.statSync();
  if (!isFile || size === 0) return { size: 0, head: isFile ? undefined : NO_BLOCK };
  for (let reach = TAIL_BYTES;; reach *= 4) {
    const from = Math.max(0, size - reach);
    const tail = readFrom(file, from, size);
    const end = tail.lastIndexOf(LF) + 1;
    const start = lastBlock(tail.subarray(0, end));
    if (start < 0 && from > 0) continue;
    if (start < 0 && end > 0) throw new Error("it is not an audit");
    if (end < tail.length) {
      getLogger(["hub", "audit"]).warn(
        "The last line of {path} was cut off, perhaps by a crash: {count} bytes are removed",
        { path, count: tail.length - end },
      );
      file.truncateSync(from + end);
    }
    if (end === 0) return { size: 0, head: undefined };
    return {
      size: from + end,
      head: blockHash(tail.subarray(start, end)),
    };
  }
}

function readFrom(file: Deno.FsFile, from: number, to: number): Uint8Array {
  file.seekSync(from, Deno.SeekMode.Start);
  const bytes = new Uint8Array(to - from);
  let length = 0;
  for (let n; length < bytes.length && (n = file.readSync(bytes.subarray(length))) !== null;) {
    length += n;
  }
  return bytes.subarray(0, length);
}

/** Where the last line begins that begins a block; negative if there is none. */
function lastBlock(lines: Uint8Array): number {
  for (let end = lines.length - 1; end >= 0;) {
    const before = end === 0 ? -1 : lines.lastIndexOf(LF, end - 1);
    if (prevOf(new TextDecoder().decode(lines.subarray(before + 1, end))) !== undefined) {
      return before + 1;
    }
    end = before;
  }
  return -1;
}

/** Where the chain goes on when the hub ended right after it had put a file aside. */
function headOfOlder(path: string): string {
  try {
    using file = Deno.openSync(`${path}.1`, { read: true, append: true });
    return mend(file, `${path}.1`).head ?? NO_BLOCK;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return NO_BLOCK;
    throw error;
  }
}
