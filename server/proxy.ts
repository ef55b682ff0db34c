/**
 * Which HTTP proxy leads to the hub.
 *
 *     --proxy URL         that one           --proxy direct     none
 *     otherwise, unless NO_PROXY names the hub or the hub is this machine:
 *       wss  → HTTPS_PROXY, https_proxy      ws → HTTP_PROXY, http_proxy
 *       both → ALL_PROXY, all_proxy, when those are not set
 *
 *     NO_PROXY=internal.example,.corp,10.1.2.3,hub.example:8443,*
 *       internal.example   that host and all below it     .corp   all below corp
 *       host:port          only that port                 *       everything
 *
 * @module
 */
import { UsageError } from "../shared/cli/usage_error.ts";
import { isLoopbackHost } from "../shared/net/loopback.ts";

/** What `--proxy` takes for "none, whatever the environment says". */
export const DIRECT = "direct";

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Scheme → the variables that name its proxy; the first that is not empty counts. */
const VARIABLES: Readonly<Record<string, readonly string[]>> = {
  "wss:": ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
  "ws:": ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
};

/** Options of {@linkcode proxyFor}. */
export interface ProxyOptions {
  /** `--proxy`, as given. */
  readonly proxy?: string | undefined;
  readonly env: Env;
}

/**
 * The proxy for a hub, or `undefined` to dial it directly.
 *
 * @throws {UsageError} If the proxy's URL is none.
 */
export function proxyFor(hub: URL, { proxy, env }: ProxyOptions): URL | undefined {
  if (proxy === DIRECT) return undefined;
  if (proxy !== undefined) return parseProxy(proxy, "--proxy");
  // A proxy elsewhere cannot mean the same machine by such a name.
  if (isLoopbackHost(hub.hostname) || isExempt(hub, env["NO_PROXY"] ?? env["no_proxy"] ?? "")) {
    return undefined;
  }
  const name = VARIABLES[hub.protocol]?.find((variable) => env[variable]);
  return name === undefined ? undefined : parseProxy(env[name]!, name);
}

/**
 * Reads a proxy's URL; without a scheme it is an http one.
 *
 * @param from Where it was given, for the error.
 */
export function parseProxy(text: string, from: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  // The text may hold a password: it must not be repeated.
  if (url === null || url.hostname === "") {
    throw new UsageError(`${from} is not the URL of a proxy`, {
      hint: "Write http://proxy.example:3128 or http://user:password@proxy.example:3128",
    });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new UsageError(`${from} names a ${url.protocol.slice(0, -1)} proxy`, {
      hint: "Only HTTP proxies that allow CONNECT are supported: http://… or https://…",
    });
  }
  return url;
}

/** Whether a proxy's URL holds a user or a password, as far as it can be told. */
export function hasPassword(text: string): boolean {
  return text.includes("@");
}

/** A proxy's URL without its password, for logs. */
export function redactProxy(proxy: URL): string {
  return `${proxy.protocol}//${proxy.username === "" ? "" : "…@"}${proxy.host}`;
}

function isExempt({ hostname, port, protocol }: URL, list: string): boolean {
  const hubPort = port || (protocol === "wss:" ? "443" : "80");
  return list.split(/[\s,]+/).filter((entry) => entry !== "").some((entry) => {
    if (entry === "*") return true;
    const [, host = "", entryPort] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? [];
    if (host === "" || (entryPort !== undefined && entryPort !== hubPort)) return false;
    const name = host.toLowerCase();
    const suffix = name.replace(/^\*?\./, "");
    return (name === suffix && hostname === suffix) || hostname.endsWith(`.${suffix}`);
  });
}
