/**
 * Names of servers and of what they expose (docs/protocol.md §2.2).
 *
 *     name → part [ "/" part ]                                edge-1, edge-1/payments
 *     part → 1*128( a-z / 0-9 / "." / "_" / "-" )
 *
 * @module
 */

/** The longest part of a name. */
export const MAX_NAME_LENGTH = 128;

const PART = /^[a-z0-9._-]{1,128}$/;

/** What a part must look like, for the end of error messages. */
export const NAME_PART_RULE = `1 to ${MAX_NAME_LENGTH} of a-z 0-9 . _ -`;
/** What a name must look like. */
export const NAME_RULE = `${NAME_PART_RULE} (and /upstream for an exposed one)`;

/** Whether this can be the name of a server, or of one of its upstreams alone. */
export function isNamePart(text: string): boolean {
  return PART.test(text);
}

/** Whether this can be the name of a server, or of an upstream behind one. */
export function isServerName(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash < 0) return isNamePart(text);
  return isNamePart(text.slice(0, slash)) && isNamePart(text.slice(slash + 1));
}
