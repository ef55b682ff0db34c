/**
 * Hosts as sockets and resolvers take them: URLs write `[::1]`, and those know `::1` alone.
 *
 * @module
 */

/** A host without the brackets that a URL puts around an address of IPv6. */
export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}
