/**
 * Writes the audit without anybody waiting for it: lines are written and hashed in blocks, and when
 * the disk is slower than the calls, lines are dropped and the next one that is written says how
 * many.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { Complaint } from "../../shared/async/complaint.ts";
import { comesWithin } from "../../shared/async/deadline.ts";
import { safeJson } from "../../shared/text/safe_json.ts";
import type { Audit, AuditRecord } from "./record.ts";
import { AuditBlock } from "./block.ts";
import type { BlockWriter } from "./block_chain.ts";

/** Bytes that wait for the disk; lines beyond are dropped. */
export const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
const GATHER_MS = 25;
/** How often the hub, at its end, looks whether a slow disk has written. */
const FLUSH_LOOKS = 20;
const FLUSH_LOOK_MS = 100;

export interface AuditOptions {
  /** @default MAX_BUFFERED_BYTES */
  readonly maxBufferedBytes?: number;
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

/** Gives lines to a chain, in their order. Disposing writes what is left, then closes the chain. */
export class AuditWriter implements Audit {
  readonly #chain: BlockWriter;
  readonly #max: number;
  readonly #now: () => number;
  /** Blocks that take no more lines, and the one that does. */
  #full: AuditBlock[] = [];
  #filling: AuditBlock | undefined;
  /** One that was written, for reuse. */
  #spare: AuditBlock | undefined;
  /** Bytes that wait. */
  #buffered = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;
  #closed = false;
  readonly #complaint = new Complaint();
  readonly #gatherMs: number;
  /** Ends the gathering of lines; while there is one. */
  #hurry: (() => void) | undefined;
  /** Many lines are of one millisecond. */
  #timeMs = NaN;
  #time = "";

  constructor(chain: BlockWriter, options: AuditOptions = {}) {
    this.#chain = chain;
    this.#max = options.maxBufferedBytes ?? MAX_BUFFERED_BYTES;
    this.#now = options.now ?? Date.now;
    this.#gatherMs = options.gatherMs ?? GATHER_MS;
  }

  record(record: AuditRecord): void {
    // Those who were not let in leave room for those who were.
    this.#record(safeJson(record).slice(1), record.who === "" ? this.#max / 2 : this.#max);
  }

  recordJson(rest: string): void {
    this.#record(rest, this.#max);
  }

  #record(rest: string, max: number): void {
    if (this.#closed) return;
    const now = this.#now();
    if (now !== this.#timeMs) {
      this.#timeMs = now;
      this.#time = new Date(now).toISOString();
    }
    const dropped = this.#dropped;
    const told = dropped === 0 ? "" : `"dropped":${dropped},`;
    const line = `{"time":"${this.#time}",${told}${rest}`;
    if (this.#buffered + line.length > max) {
      this.#dropped++;
      return;
    }
    this.#dropped = 0;
    this.#add(line, dropped);
    this.#writing ??= this.#write();
  }

  reopen(): boolean {
    return this.#chain.reopen?.() ?? false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#hurry?.();
    await this.#flush();
    const waiting = this.#filling === undefined ? this.#full : [...this.#full, this.#filling];
    const count = waiting.reduce((sum, { told }) => sum + told, this.#dropped);
    if (count > 0) getLogger(["hub", "audit"]).warn("Lost the last {count} audit lines", { count });
    this.#chain.close?.();
  }

  /** Not by one timer: while the hub itself stands still, no time passes for the disk. */
  async #flush(): Promise<void> {
    const writing = this.#writing?.catch(() => {});
    if (writing === undefined) return;
    for (let i = 0; i < FLUSH_LOOKS; i++) if (await comesWithin(writing, FLUSH_LOOK_MS)) return;
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

  #add(line: string, dropped: number): void {
    const before = this.#filling?.length ?? 0;
    if (this.#filling?.add(line, dropped)) {
      this.#buffered += this.#filling.length - before;
      return;
    }
    if (this.#filling !== undefined) this.#full.push(this.#filling);
    let block = this.#spare ?? new AuditBlock(line);
    this.#spare = undefined;
    if (!block.add(line, dropped)) {
      block = new AuditBlock(line);
      block.add(line, dropped);
    }
    this.#filling = block;
    this.#buffered += block.length;
  }

  async #write(): Promise<void> {
    while (this.#filling !== undefined) {
      if (!this.#closed) await this.#gather();
      // What comes meanwhile gathers for the next round, unless it is much.
      this.#full.push(this.#filling);
      this.#filling = undefined;
      for (let block; (block = this.#full[0]) !== undefined; this.#full.shift()) {
        await this.#writeBlock(block);
        this.#buffered -= block.length;
        block.clear();
        this.#spare = block;
      }
    }
    this.#writing = undefined;
  }

  #writeBlock(block: AuditBlock): Promise<void> {
    return this.#chain.append(block, (error) => {
      this.#dropped += block.told;
      this.#complain(error);
    });
  }

  #complain(error: unknown): void {
    // Never settled: a disk that is all but full takes one block and not the next.
    if (!this.#complaint.isDue(String(error))) return;
    const log = getLogger(["hub", "audit"]);
    log.error("Cannot write the audit, {count} lines are lost: {error}", {
      count: this.#dropped,
      error,
    });
  }
}
