/**
 * Where blocks become a chain: each is sealed with the hash of the one before, and written whole.
 *
 *     AuditWriter ──block──▶ BlockChain ──bytes──▶ AuditSink
 *
 * @module
 */
import { type OpenBlock, seal } from "./block.ts";
import { blockHash, NO_BLOCK } from "./chain.ts";
import type { AuditSink } from "./record.ts";

/** What takes blocks, in their order. */
export interface BlockWriter {
  /**
   * Writes a block; the next one is given when this one is done. Never rejects.
   *
   * @param onLost Called if it cannot be written; nothing of it is there then.
   */
  append(block: OpenBlock, onLost: (error: unknown) => void): Promise<void>;
  /** See `Audit.reopen`. */
  reopen?(): boolean;
  close?(): void;
}

/** Chains blocks to the last one that is there, and writes them to a sink. */
export class BlockChain implements BlockWriter {
  readonly #sink: AuditSink;
  #prev: string;

  /** @param prev The hash of the block that the sink ends with. */
  constructor(sink: AuditSink, prev: string = NO_BLOCK) {
    this.#sink = sink;
    this.#prev = prev;
  }

  async append(block: OpenBlock, onLost: (error: unknown) => void): Promise<void> {
    try {
      seal(block, this.#prev);
      const { bytes } = block;
      await this.#sink.begin?.(bytes.length);
      for (let rest: Uint8Array = bytes; rest.length > 0;) {
        rest = rest.subarray(await this.#sink.write(rest));
      }
      this.#prev = blockHash(bytes);
    } catch (error) {
      // The next block continues the last one that is there.
      onLost(error);
      await this.#sink.undo?.().catch(() => {});
    }
  }

  reopen(): boolean {
    return this.#sink.reopen?.() ?? false;
  }

  close(): void {
    this.#sink.close?.();
  }
}
