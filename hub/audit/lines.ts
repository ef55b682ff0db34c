/**
 * The lines of an audit's file, one after the other, in memory that does not grow with the file.
 * A file that was packed with gzip, as logrotate does, is read as if it were not.
 *
 * @module
 */
import { openPlain } from "./unpacked_file.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

/** A line that is as long is none of ours: metadata, of which a line tells, has 32 KiB at most. */
const MAX_LINE_BYTES = 256 * 1024;
const LF = 10;

/** One line. */
export interface AuditLine {
  /** From 1. */
  readonly number: number;
  /** Without its line break; good until the next line is asked for. */
  readonly bytes: Uint8Array;
  /** Why it is no whole line; `bytes` is a part of it then. */
  readonly fault?: "is cut off" | "is too long";
}

/** A file that cannot be read, of which nothing can be told then. */
export class UnreadableAuditError extends Error {
  override readonly name = "UnreadableAuditError";
}

/** @throws {UnreadableAuditError} */
export async function* auditLines(path: string): AsyncGenerator<AuditLine> {
  const unreadable = (error: unknown): never => {
    throw new UnreadableAuditError(`Cannot read audit file ${path}: ${whyUnusable(error)}`, {
      cause: error,
    });
  };
  using file = await openPlain(path).catch(unreadable);
  const buffer = new Uint8Array(MAX_LINE_BYTES);
  let length = 0;
  /** In a line of which the beginning was given away as too long. */
  let skipping = false;
  for (let number = 1;;) {
    const n = await file.read(buffer.subarray(length)).catch(unreadable);
    length += n ?? 0;
    let start = 0;
    for (let end; (end = buffer.subarray(0, length).indexOf(LF, start)) >= 0; number++) {
      if (!skipping) yield { number, bytes: buffer.subarray(start, end) };
      skipping = false;
      start = end + 1;
    }
    buffer.copyWithin(0, start, length);
    length -= start;
    if (n === null) {
      if (length > 0 && !skipping) {
        yield { number, bytes: buffer.subarray(0, length), fault: "is cut off" };
      }
      return;
    }
    if (length < buffer.length) continue;
    if (!skipping) yield { number, bytes: buffer, fault: "is too long" };
    skipping = true;
    length = 0;
  }
}
