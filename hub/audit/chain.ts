/**
 * What makes the audit a chain. Lines are written in blocks; the first line of each block ends with
 * the hash of the block before it:
 *
 *     {…,"prev":"<SHA-256 of block n-1>"}     ┐
 *     {…}                                     │ block n: its bytes, line breaks included
 *     {…}                                     ┘
 *     {…,"prev":"<SHA-256 of block n>"}
 *
 * A hash for each line would cost a tenth of what a whole call costs.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";

/** Stands in the first line of all. */
export const NO_BLOCK: string = "0".repeat(64);

/** The hash of a block that comes in pieces. */
export function blockHasher(): Hash {
  return createHash("sha256");
}

/** The hash of a whole block. */
export function blockHash(block: Uint8Array): string {
  return blockHasher().update(block).digest("hex");
}

/** The end of the first line of a block, in place of the brace that closes its object. */
export function prevField(prev: string): string {
  return `,"prev":"${prev}"}`;
}

/** The hash that a line carries; `undefined` if it begins no block. */
export function prevOf(line: string): string | undefined {
  return /,"prev":"([0-9a-f]{64})"\}$/.exec(line)?.[1];
}
