/**
 * Whether a proxy stands between the hub and its peer. Then the address that a connection comes
 * from says nothing: a reverse proxy on the hub's own machine would make everybody local.
 *
 * With a field too many in this list, a caller on loopback that sends it by itself needs a token. A field
 * that is missing gives everybody behind a proxy the rights of this machine.
 *
 * @module
 */

/** Fields that proxies, load balancers and CDNs add. */
export const FORWARDED_FIELDS: ReadonlySet<string> = new Set([
  "cdn-loop", // RFC 8586
  "client-ip",
  "fastly-client-ip",
  "forwarded", // RFC 7239
  "forwarded-for",
  "proxy-client-ip",
  "true-client-ip", // Akamai, Cloudflare
  "via", // RFC 9110 §7.6.3
  "wl-proxy-client-ip",
  "x-appengine-user-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-forwarded",
  "x-original-forwarded-for",
  "x-original-host",
  "x-original-url",
  "x-proxyuser-ip",
  "x-real-ip",
  "x-remote-addr",
  "x-remote-ip",
]);

/** Beginnings of names that only such programs use. */
export const FORWARDED_PREFIXES: readonly string[] = [
  "cf-", // Cloudflare: cf-connecting-ip, cf-ray, …
  "x-azure-",
  "x-envoy-",
  "x-forwarded-",
];

/** Whether a field says that a proxy has passed a request on. */
export function isProxyField(name: string): boolean {
  return FORWARDED_FIELDS.has(name) ||
    FORWARDED_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Whether one of these fields, whose names are in lower case, says so. */
export function isForwarded(fields: readonly (readonly [name: string, ...unknown[]])[]): boolean {
  return fields.some(([name]) => isProxyField(name));
}
