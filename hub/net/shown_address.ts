/**
 * Addresses that the hub listens on, as people and other machines need them.
 *
 * @module
 */

/** A wildcard address is shown as the loopback address that it includes. */
export function shownAddress(address: Deno.Addr): string {
  if (address.transport !== "tcp") throw new TypeError("Cannot show an address that is not TCP");
  const { hostname, port } = address;
  return hostAndPort(isWildcard(address) ? "127.0.0.1" : hostname, port);
}

/** What other machines dial: where it listens, and by the machine's name if that is everywhere. */
export function dialledAddress(address: Deno.Addr): string {
  return isWildcard(address) ? hostAndPort(Deno.hostname(), address.port) : shownAddress(address);
}

/** The wildcard that a listener is bound to, if it is one. */
export function wildcardOf<L extends string>(
  listener: L,
  address: Deno.Addr,
): { readonly [listener in L]?: string } {
  if (!isWildcard(address)) return {};
  const { hostname, port } = address;
  return { [listener]: hostAndPort(hostname, port) } as { [listener in L]: string };
}

function isWildcard(address: Deno.Addr): address is Deno.NetAddr {
  return "hostname" in address && (address.hostname === "0.0.0.0" || address.hostname === "::");
}

function hostAndPort(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
