/**
 * Writes the audit without anybody waiting for it: lines are written and hashed in blocks, and when
 * the disk is slower than the calls, lines are dropped and the next one that is written says how
 * many.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { deadline } from "../shared/async/deadline.ts";
import type { Audit, AuditRecord } from "./audit.ts";
import { blockHash, chained, NO_BLOCK } from "./audit_chain.ts";

/** Bytes that wait for the disk; lines beyond are dropped. */
export const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
/** Lines of one block. */
const MAX_BLOCK_LINES = 256;
const GATHER_MS = 25;
/** How long the end of the hub waits for a disk that does not write. */
const FLUSH_MS = 2_000;

/** Where lines go: the part of a `Deno.FsFile` that is needed. */
export interface AuditSink {
  write(bytes: Uint8Array): Promise<number>;
  /** Called before whole lines of so many bytes. */
  begin?(bytes: number): Promise<void>;
  /** Called when they could not be written as a whole. */
  undo?(): Promise<void>;
  close?(): void;
  /** See `Audit.reopen`. */
  reopen?(): boolean;
}

export interface AuditOptions {
  /** @default MAX_BUFFERED_BYTES */
  readonly maxBufferedBytes?: number;
  /** The hash of the block that the sink ends with. @default NO_BLOCK */
  readonly prev?: string;
  /** @default Date.now */
  readonly now?: () => number;
  /**
   * How long lines wait for others to be written with: what a crash may cost. 0 waits for those
   * of the same turn of the event loop.
   *
   * @default 25
   */
  readonly gatherMs?: number;
}

/** Writes lines to a sink, in their order. Disposing writes what is left, then closes the sink. */
export class AuditWriter implements Audit {
  readonly #sink: AuditSink;
  readonly #max: number;
  readonly #now: () => number;
  /** JSON texts, not yet in the chain. */
  #lines: string[] = [];
  /** Length of what waits, in characters: near enough to bytes for a bound. */
  #buffered = 0;
  #dropped = 0;
  #prev: string;
  #writing: Promise<void> | undefined;
  #closed = false;
  readonly #gatherMs: number;
  /** Ends the gathering of lines; while there is one. */
  #hurry: (() => void) | undefined;
  /** Many lines are of one millisecond. */
  #timeMs = NaN;
  #time = "";

  constructor(sink: AuditSink, options: AuditOptions = {}) {
    this.#sink = sink;
    this.#max = options.maxBufferedBytes ?? MAX_BUFFERED_BYTES;
    this.#prev = options.prev ?? NO_BLOCK;
    this.#now = options.now ?? Date.now;
    this.#gatherMs = options.gatherMs ?? GATHER_MS;
  }

  record(record: AuditRecord): void {
    if (this.#closed) return;
    const now = this.#now();
    if (now !== this.#timeMs) {
      this.#timeMs = now;
      this.#time = new Date(now).toISOString();
    }
    const dropped = this.#dropped === 0 ? "" : `"dropped":${this.#dropped},`;
    const line = `{"time":"${this.#time}",${dropped}${JSON.stringify(record).slice(1)}`;
    if (this.#buffered + line.length > this.#max) {
      this.#dropped++;
      return;
    }
    this.#dropped = 0;
    this.#buffered += line.length;
    this.#lines.push(line);
    this.#writing ??= this.#write();
  }

  reopen(): boolean {
    return this.#sink.reopen?.() ?? false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#hurry?.();
    await deadline(this.#writing ?? Promise.resolve(), FLUSH_MS).catch(() => {});
    const count = this.#dropped + this.#lines.length;
    if (count > 0) getLogger(["hub", "audit"]).warn("Lost the last {count} audit lines", { count });
    this.#sink.close?.();
  }

  /** Lets lines come together: a write costs the hub as much CPU as two calls do. */
  #gather(): Promise<void> {
    if (this.#gatherMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#hurry = undefined;
        resolve();
      };
      const timer = setTimeout(done, this.#gatherMs);
      this.#hurry = done;
    });
  }

  async #write(): Promise<void> {
    while (this.#lines.length > 0) {
      if (!this.#closed) await this.#gather();
      let at = 0;
      while (at < this.#lines.length) {
        const lines = this.#lines.slice(at, at + MAX_BLOCK_LINES);
        at += lines.length;
        await this.#writeBlock(lines);
        for (const line of lines) this.#buffered -= line.length;
        // What came meanwhile gathers for the next round, unless it is much.
        if (this.#lines.length - at < MAX_BLOCK_LINES) break;
      }
      this.#lines = this.#lines.slice(at);
    }
    this.#writing = undefined;
  }

  async #writeBlock(lines: readonly string[]): Promise<void> {
    try {
      const text = lines.with(0, chained(lines[0]!, this.#prev)).join("\n");
      const bytes = new TextEncoder().encode(`${text}\n`);
      await this.#sink.begin?.(bytes.length);
      for (let rest = bytes; rest.length > 0;) {
        rest = rest.subarray(await this.#sink.write(rest));
      }
      this.#prev = blockHash(bytes);
    } catch (error) {
      // The next block continues the last one that is there.
      this.#dropped += lines.length;
      const log = getLogger(["hub", "audit"]);
      log.error("Cannot write {count} audit lines: {error}", { count: lines.length, error });
      await this.#sink.undo?.().catch(() => {});
    }
  }
}
