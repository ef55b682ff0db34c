/**
 * Whether a proxy stands between the hub and who asks. Then the address that a connection comes
 * from says nothing: a reverse proxy on the hub's own machine would make everybody local.
 *
 * @module
 */

/** Headers that proxies add. */
export const FORWARDED_FIELDS: readonly string[] = [
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
];

/** @param header Looks a header up; names are given in lower case. */
export function isForwarded(header: (name: string) => string | null | undefined): boolean {
  return FORWARDED_FIELDS.some((name) => typeof header(name) === "string");
}
