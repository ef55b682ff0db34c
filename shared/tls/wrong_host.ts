/**
 * Names the hosts of a certificate that was refused, because it is not for the host that was dialled.
 * For an address the runtime's own words list its addresses alone, which are mostly none.
 *
 * @module
 */

/** More of the names is not shown. */
const MAX_SHOWN = 300;

/** The fault in words, or `undefined` if the error is another one. */
export function wrongHost(error: unknown): string | undefined {
  const { code, host, cert } = Object(error);
  const names = cert?.subjectaltname;
  if (code !== "ERR_TLS_CERT_ALTNAME_INVALID" || typeof names !== "string") return undefined;
  const shown = names.replace(/\b(?:DNS|IP Address):/g, "").slice(0, MAX_SHOWN);
  return `the hub's certificate is for ${shown || "no host"}, not for ${host}`;
}
