/**
 * Which addresses and host names are of this machine itself.
 *
 *     isLoopback("127.0.0.1")         an address, as a socket tells it
 *     isLoopbackHost("localhost")     a host that somebody wrote: an address, or a reserved name
 *
 * `127.evil.example` is none of them: it is a name that may lead anywhere.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6761#section-6.3
 * @module
 */

const OCTET = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const IPV4 = new RegExp(`^127\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);
/** `::ffff:127.0.0.1` in the form into which URLs bring it. */
const MAPPED_HEX = /^::ffff:7f[\da-f]{2}:[\da-f]{1,4}$/;
const MAPPED = "::ffff:";

/** Whether an address, with or without brackets, is of this machine itself. */
export function isLoopback(address: string): boolean {
  const bracketed = address.startsWith("[") && address.endsWith("]");
  const plain = (bracketed ? address.slice(1, -1) : address).toLowerCase();
  if (plain === "::1" || MAPPED_HEX.test(plain)) return true;
  return IPV4.test(plain.startsWith(MAPPED) ? plain.slice(MAPPED.length) : plain);
}

/** Whether a host is such an address, or a name that no network may give to another machine. */
export function isLoopbackHost(host: string): boolean {
  const lower = host.toLowerCase();
  const name = lower.endsWith(".") ? lower.slice(0, -1) : lower;
  return name === "localhost" || name.endsWith(".localhost") || isLoopback(host);
}
