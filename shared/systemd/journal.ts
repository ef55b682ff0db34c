/**
 * Whether standard error leads to systemd's journal, and how a line tells it its priority:
 *
 *     <3>error: Cannot use token file …   → PRIORITY=3, MESSAGE=error: Cannot use token file …
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html
 * @module
 */
import { fstatSync } from "node:fs";

type Env = Readonly<Record<string, string | undefined>>;

/** As syslog numbers them. */
export const Priority = { CRITICAL: 2, ERROR: 3, WARNING: 4, INFO: 6, DEBUG: 7 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

const STDERR = 2;

/**
 * systemd names the journal's socket as `device:inode` in JOURNAL_STREAM. Children inherit the
 * variable also when their standard error leads elsewhere, so it is compared.
 */
export function stderrIsJournal(env: Env): boolean {
  const stream = env["JOURNAL_STREAM"] ?? "";
  if (stream === "") return false;
  try {
    const { dev, ino } = fstatSync(STDERR);
    return stream === `${dev}:${ino}`;
  } catch {
    return false; // It is closed.
  }
}

/** A line with its priority in front. */
export function withPriority(priority: Priority, line: string): string {
  return `<${priority}>${line}`;
}
