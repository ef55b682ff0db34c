/**
 * The audit: one line of JSON for each registration and each call that ended, also for those that
 * were refused; of strangers who are refused often, one for many. Lines are chained by hashes, so that none can be changed or taken out unseen:
 * `ghub audit verify`. Bodies and credentials are never in it.
 *
 *     {"time":"…","kind":"call","who":"alice","peer":"192.0.2.7:4711","server":"edge-1",
 *      "method":"/fluentd.v1.Fluentd/Start","status":"OK","bytesUp":12,"bytesDown":40,
 *      "durationMs":8.1,"id":"…"}
 *
 * What joins the lines is in `chain.ts`.
 *
 * @module
 */
import type { StatusName } from "../../shared/grpc/status.ts";
import { AuditFile, DEFAULT_MAX_BYTES, DEFAULT_MAX_FILES } from "./file.ts";
import { AuditWriter } from "./writer.ts";

/** What happened. */
export interface AuditRecord {
  readonly kind: "call" | "raw" | "registration";
  /** Who was let in (an Identity's name), or empty for who was not. */
  readonly who: string;
  /** Who it is in the words of its credential: a JWT's `sub`, a name in a certificate. */
  readonly subject?: string | undefined;
  /** `host:port` it came from. */
  readonly peer: string;
  /** Which it was for; empty for the hub itself, and where that is not known. */
  readonly server: string;
  /** What a server that registered said of itself: rules by label can be judged later. */
  readonly labels?: Readonly<Record<string, string>>;
  /** `/package.Service/Method` of a call. */
  readonly method?: string;
  readonly status: StatusName;
  /** Bytes from the caller to the server, and back. */
  readonly bytesUp?: number;
  readonly bytesDown?: number;
  readonly durationMs?: number;
  /** So many refusals of strangers have this line together, since then: see `observe/refused_lines.ts`. */
  readonly times?: number;
  readonly since?: string;
  /** Why it did not end well, in the hub's words; absent where the server's answer is all there is. */
  readonly reason?: string | undefined;
  /** The call's or tunnel's id. */
  readonly id: string;
}

export interface Audit extends AsyncDisposable {
  /** Never waits, never throws. */
  record(record: AuditRecord): void;
  /** The same for a record that is JSON already, without line breaks and without its first brace. */
  recordJson(rest: string): void;
  /**
   * Where there is a file: goes on in the one that has its name now, if another program has moved it.
   *
   * @returns Whether it is another one.
   * @throws {Error} If it cannot be opened; then the one before it is written on.
   */
  reopen?(): boolean;
}

export interface OpenAuditOptions {
  /** A file is put aside, and a new one begun, when it would become larger. @default 64 MiB */
  readonly maxBytes?: number;
  /** Files that are kept beside the current one. @default 10 */
  readonly maxFiles?: number;
}

/** The audit that is not a file: two hubs may write it, each to its own standard error. */
export const STDERR = "stderr";

/**
 * Opens the audit.
 *
 * @param target A file to append to, or `stderr`; `undefined` keeps no audit.
 * @throws {Error} If the file cannot be opened.
 */
export function openAudit(target: string | undefined, options: OpenAuditOptions = {}): Audit {
  const { maxBytes = DEFAULT_MAX_BYTES, maxFiles = DEFAULT_MAX_FILES } = options;
  if (target === undefined) {
    return { record() {}, recordJson() {}, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  if (target === STDERR) return new AuditWriter({ write: (bytes) => Deno.stderr.write(bytes) });
  const file = AuditFile.open(target, { maxBytes, maxFiles });
  return new AuditWriter(file, { prev: file.head });
}
