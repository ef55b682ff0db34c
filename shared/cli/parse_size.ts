/**
 * Sizes as people type them, and as help shows them.
 *
 *     512 → 512      64KiB, 64k → 65536      4MiB, 4M → 4194304      1GiB → 1073741824
 *
 * Every unit is binary: these are sizes of buffers and files, not of disks in a shop.
 *
 * @module
 */
import { UsageError } from "./usage_error.ts";

/** Bytes in one unit, by its first letter. */
const UNIT_BYTES = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 } as const;

const GRAMMAR = /^(\d+(?:\.\d+)?)(?:([kmgt])(?:i?b)?|b)?$/i;

/**
 * Reads a size.
 *
 * @returns Whole bytes.
 * @throws {UsageError} If the text is no size, or one that is no whole number of bytes.
 */
export function parseSize(text: string): number {
  const [, number, unit] = GRAMMAR.exec(text) ?? [];
  const scale = unit === undefined ? 1 : UNIT_BYTES[unit.toLowerCase() as keyof typeof UNIT_BYTES];
  const bytes = Number(number) * scale;
  if (!Number.isSafeInteger(bytes)) {
    throw new UsageError(`"${text}" is not a size`, { hint: "Write 512, 64KiB, 4MiB or 1GiB" });
  }
  return bytes;
}

/** Writes a size in the largest unit of which it is a whole number. */
export function formatSize(bytes: number): string {
  const [unit, scale] = Object.entries(UNIT_BYTES).reverse()
    .find(([, scale]) => bytes > 0 && bytes % scale === 0) ?? ["", 1];
  return `${bytes / scale}${unit === "" ? "" : `${unit.toUpperCase()}iB`}`;
}

/** What options have whose value is a size. */
export const SIZE = { value: "SIZE", parse: parseSize, show: formatSize } as const;
