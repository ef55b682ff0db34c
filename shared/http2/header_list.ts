/**
 * A decoded header section (RFC 9113 §8.3, RFC 7541 §1.3).
 *
 * Names are lower-case. Values are byte strings: one UTF-16 unit (0–255) per byte, so that
 * whatever a peer sends goes through unchanged. Order and duplicates are kept.
 *
 * @module
 */

/**
 * One header field. `neverIndexed` marks what came as a literal that no hop may add to a table:
 * whoever forwards it must keep it so (RFC 7541 §6.2.3).
 */
export type Field = readonly [name: string, value: string, neverIndexed?: true];

/** Header fields in the order in which they were sent, pseudo-header fields first. */
export type HeaderList = readonly Field[];

/** What each field counts for in addition to its name and value. */
const FIELD_BYTES = 32;

/** The size of a list as SETTINGS_MAX_HEADER_LIST_SIZE means it (RFC 9113 §6.5.2). */
export function headerListBytes(fields: HeaderList): number {
  let bytes = 0;
  for (const field of fields) bytes += field[0].length + field[1].length + FIELD_BYTES;
  return bytes;
}

/** The first value of a field, or `undefined`. */
export function firstValue(fields: HeaderList, name: string): string | undefined {
  for (const field of fields) if (field[0] === name) return field[1];
  return undefined;
}
