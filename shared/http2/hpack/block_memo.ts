/**
 * Header blocks that were decoded before, and their lists.
 *
 * A gRPC client sends the same block for each call, once its fields are in the dynamic table. What
 * a block means depends on its bytes and on the table; while neither has changed, neither has the
 * list.
 *
 * It is a cache of two blocks per place, the place chosen by a hash: no order to keep but which of two
 * came last, and nothing to clear when the table changes. With one block per place, two that a peer
 * sends in turns and that have one place would drive each other out, and the usual answer's headers
 * and trailers do. The hash is no secret: a peer that makes its blocks collide slows down only itself.
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
  /** Two for each place: the one that came last, and the one before. */
  readonly remembered: (Remembered | undefined)[];
  /** Hashes of the last blocks offered, in the same order: one that comes once only is not worth a copy. */
  readonly offered: Int32Array;
}

export class BlockMemo {
  #slots: Slots | undefined;

  /** The list of a block, if it was remembered with the same version. */
  find(block: Uint8Array, version: number): HeaderList | undefined {
    if (this.#slots === undefined || block.length > MAX_REMEMBERED_BYTES) return undefined;
    const { remembered } = this.#slots;
    const at = placeOf(hashOf(block));
    const last = remembered[at];
    if (last !== undefined && last.version === version && sameBytes(last.block, block)) {
      return last.fields;
    }
    const other = remembered[at + 1];
    if (other === undefined || other.version !== version) return undefined;
    return sameBytes(other.block, block) ? other.fields : undefined;
  }

  /** Takes note of a block; remembers its list when it is offered for the second time. */
  offer({ block, version, fields }: Remembered): void {
    if (block.length > MAX_REMEMBERED_BYTES) return;
    const { remembered, offered } = this.#slots ??= {
      remembered: new Array<Remembered | undefined>(MAX_REMEMBERED_BLOCKS).fill(undefined),
      offered: new Int32Array(MAX_REMEMBERED_BLOCKS),
    };
    const hash = hashOf(block);
    const at = placeOf(hash);
    if (offered[at] === hash || offered[at + 1] === hash) {
      remembered[at + 1] = remembered[at];
      remembered[at] = { block: block.slice(), version, fields };
    } else {
      offered[at + 1] = offered[at]!;
      offered[at] = hash;
    }
  }
}

/** FNV-1a. */
function hashOf(block: Uint8Array): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < block.length; i++) hash = Math.imul(hash ^ block[i]!, 0x01000193);
  return hash;
}

/** The first of its two slots. */
function placeOf(hash: number): number {
  return (hash ^ hash >>> 15) & MAX_REMEMBERED_BLOCKS - 2;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
