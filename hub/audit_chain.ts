/**
 * What makes the audit a chain: each line ends with the hash of the line before it.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** Stands in the first line of all. */
export const NO_LINE: string = "0".repeat(64);

/** The hash of a line, without its line break. */
export function lineHash(line: string | Uint8Array): string {
  return createHash("sha256").update(line).digest("hex");
}

/** An object's JSON text as a line of the chain. */
export function chained(json: string, prev: string): string {
  return `${json.slice(0, -1)},"prev":"${prev}"}`;
}

/** The hash that a line carries; `undefined` if it is no line of a chain. */
export function prevOf(line: string): string | undefined {
  return /,"prev":"([0-9a-f]{64})"\}$/.exec(line)?.[1];
}
