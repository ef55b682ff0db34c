/**
 * Header blocks that were decoded before, and their lists.
 *
 * A gRPC client sends the same block for each call, once its fields are in the dynamic table. What
 * a block means depends on its bytes and on the table; while neither has changed, neither has the
 * list.
 *
 * It is a cache of one block per slot, the slot chosen by a hash: no order to keep, no eviction to
 * run, and nothing to clear when the table changes. The hash is no secret: a peer that makes its
 * blocks collide slows down only itself.
 *
 * @module
 */
import type { HeaderList } from "../header_list.ts";

/** Blocks remembered at most; a power of two. */
export const MAX_REMEMBERED_BLOCKS = 64;
/** A larger block is decoded each time: it is not one that is sent for each call. */
export const MAX_REMEMBERED_BYTES = 512;

/** A block, and the version of the dynamic table that it was read with. */
export interface Remembered {
  readonly block: Uint8Array;
  readonly version: number;
  readonly fields: HeaderList;
}

/** What is made with the first block that is offered: an idle connection has none. */
interface Slots {
  readonly remembered: (Remembered | undefined)[];
  /** Hash of the last block offered: one that comes once only is not worth a copy. */
  readonly offered: Int32Array;
}

export class BlockMemo {
  #slots: Slots | undefined;

  /** The list of a block, if it was remembered with the same version. */
  find(block: Uint8Array, version: number): HeaderList | undefined {
    if (this.#slots === undefined || block.length > MAX_REMEMBERED_BYTES) return undefined;
    const found = this.#slots.remembered[slotOf(hashOf(block))];
    if (found === undefined || found.version !== version) return undefined;
    return sameBytes(found.block, block) ? found.fields : undefined;
  }

  /** Takes note of a block; remembers its list when it is offered for the second time. */
  offer({ block, version, fields }: Remembered): void {
    if (block.length > MAX_REMEMBERED_BYTES) return;
    const { remembered, offered } = this.#slots ??= {
      remembered: new Array<Remembered | undefined>(MAX_REMEMBERED_BLOCKS).fill(undefined),
      offered: new Int32Array(MAX_REMEMBERED_BLOCKS),
    };
    const hash = hashOf(block);
    const slot = slotOf(hash);
    if (offered[slot] === hash) remembered[slot] = { block: block.slice(), version, fields };
    else offered[slot] = hash;
  }
}

/** FNV-1a. */
function hashOf(block: Uint8Array): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < block.length; i++) hash = Math.imul(hash ^ block[i]!, 0x01000193);
  return hash;
}

function slotOf(hash: number): number {
  return (hash ^ hash >>> 15) & MAX_REMEMBERED_BLOCKS - 1;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
