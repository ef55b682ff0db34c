/**
 * The audit: one line of JSON for each registration and each call that ended.
 *
 *     {"time":"…","kind":"call","who":"operator","peer":"192.0.2.7:4711","server":"edge-1",
 *      "method":"/fluentd.v1.Fluentd/Start","status":"OK","bytesUp":12,"bytesDown":40,"durationMs":8.1,"id":"…"}
 *
 * No call ever waits for it: lines are written in batches, and when the disk is slower than the
 * calls, lines are dropped and the next one that is written says how many.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { deadline } from "../shared/async/deadline.ts";
import type { StatusName } from "../shared/grpc/status.ts";

/** Bytes that wait for the disk; lines beyond are dropped. */
export const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
/** How long the end of the hub waits for a disk that does not write. */
const FLUSH_MS = 2_000;
const OWNER_ONLY = 0o600;

/** What happened. */
export interface AuditRecord {
  readonly kind: "call" | "raw" | "registration";
  /** Who was let in (an Identity's name), or empty for who was not. */
  readonly who: string;
  /** Who it is in the words of its credential: a JWT's `sub`, a name in a certificate. */
  readonly subject?: string;
  /** `host:port` it came from. */
  readonly peer: string;
  readonly server: string;
  /** `/package.Service/Method` of a call. */
  readonly method?: string;
  readonly status: StatusName;
  /** Bytes from the caller to the server, and back. */
  readonly bytesUp?: number;
  readonly bytesDown?: number;
  readonly durationMs?: number;
  /** Why, for what did not end well. */
  readonly reason?: string;
  /** The call's or tunnel's id. */
  readonly id: string;
}

export interface Audit extends AsyncDisposable {
  /** Never waits, never throws. */
  record(record: AuditRecord): void;
}

/** Where lines go: the part of a `Deno.FsFile` that is needed. */
export interface AuditSink {
  write(bytes: Uint8Array): Promise<number>;
  close?(): void;
}

export interface AuditOptions {
  /** @default MAX_BUFFERED_BYTES */
  readonly maxBufferedBytes?: number;
  /** @default Date.now */
  readonly now?: () => number;
}

/**
 * Opens the audit.
 *
 * @param target A file to append to, or `stderr`; `undefined` keeps no audit.
 * @throws {Error} If the file cannot be opened.
 */
export function openAudit(target: string | undefined): Audit {
  if (target === undefined) {
    return { record() {}, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  if (target === "stderr") return new AuditWriter({ write: (bytes) => Deno.stderr.write(bytes) });
  try {
    return new AuditWriter(Deno.openSync(target, { append: true, create: true, mode: OWNER_ONLY }));
  } catch (cause) {
    throw new Error(`Cannot open audit log ${target}: ${(cause as Error).message}`, { cause });
  }
}

/** Writes lines to a sink, in their order. Disposing writes what is left, then closes the sink. */
export class AuditWriter implements Audit {
  readonly #sink: AuditSink;
  readonly #max: number;
  readonly #now: () => number;
  #lines: string[] = [];
  /** Length of what waits, in characters: near enough to bytes for a bound. */
  #buffered = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(sink: AuditSink, options: AuditOptions = {}) {
    this.#sink = sink;
    this.#max = options.maxBufferedBytes ?? MAX_BUFFERED_BYTES;
    this.#now = options.now ?? Date.now;
  }

  record(record: AuditRecord): void {
    if (this.#closed) return;
    const time = new Date(this.#now()).toISOString();
    const { durationMs } = record;
    const rounded = durationMs === undefined
      ? {}
      : { durationMs: Math.round(durationMs * 1e3) / 1e3 };
    const missing = this.#dropped === 0 ? {} : { dropped: this.#dropped };
    const line = JSON.stringify({ time, ...record, ...rounded, ...missing }) + "\n";
    if (this.#buffered + line.length > this.#max) {
      this.#dropped++;
      return;
    }
    this.#dropped = 0;
    this.#buffered += line.length;
    this.#lines.push(line);
    this.#writing ??= this.#write();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await deadline(this.#writing ?? Promise.resolve(), FLUSH_MS).catch(() => {});
    const count = this.#dropped + this.#lines.length;
    if (count > 0) getLogger(["hub", "audit"]).warn("Lost the last {count} audit lines", { count });
    this.#sink.close?.();
  }

  async #write(): Promise<void> {
    // Lets the lines of this turn of the event loop leave together.
    await Promise.resolve();
    while (this.#lines.length > 0) {
      const batch = this.#lines;
      this.#lines = [];
      const text = batch.join("");
      try {
        for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
          rest = rest.subarray(await this.#sink.write(rest));
        }
      } catch (error) {
        this.#dropped += batch.length;
        getLogger(["hub", "audit"]).error("Cannot write {count} audit lines: {error}", {
          count: batch.length,
          error,
        });
      }
      this.#buffered -= text.length;
    }
    this.#writing = undefined;
  }
}
