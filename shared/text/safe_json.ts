/**
 * JSON that a terminal shows and does not obey.
 *
 * @module
 */

/**
 * What JSON leaves as it is: C1 controls, of which U+009B begins an escape sequence as ESC [ does,
 * line separators, and marks that turn the direction of text.
 */
export const OBEYED: RegExp = /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Writes a value as JSON. It means the same as what `JSON.stringify` writes.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { safeJson } from "./safe_json.ts";
 *
 * assert.equal(safeJson("\u009b2J"), '"\\u009b2J"');
 * assert.equal(JSON.parse(safeJson("\u009b2J")), "\u009b2J");
 * ```
 */
export function safeJson(value: unknown): string {
  return escapeObeyed(JSON.stringify(value));
}

/** The same for text in which they stand in double quotes only, such as YAML. */
export function escapeObeyed(text: string): string {
  return text.replace(
    OBEYED,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
