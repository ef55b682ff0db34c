/**
 * Which proxy leads to a hub: one rule for every program that dials.
 *
 *     --proxy URL         that one           --proxy direct     none
 *     otherwise none, if the target is this machine or NO_PROXY (no_proxy) names it; else
 *       with TLS (wss, https)  → HTTPS_PROXY, https_proxy
 *       without (ws, http)     → HTTP_PROXY, http_proxy
 *       both                   → ALL_PROXY, all_proxy, when those are not set
 *
 *     http://[user:password@]host:port      CONNECT, in plain text to the proxy
 *     https://…                             CONNECT, with TLS to the proxy itself
 *     socks5://…                            SOCKS5, names are resolved on this machine
 *     socks5h://…, socks://…                SOCKS5, the proxy resolves names
 *
 * A proxy carries bytes: TLS to the hub goes through it from end to end.
 *
 * @module
 */
import { UsageError } from "../cli/usage_error.ts";
import { bareHost } from "./bare_host.ts";
import { isLoopbackHost } from "./loopback.ts";
import { type HostAndPort, isExempt } from "./no_proxy.ts";
import type { Env } from "../cli/command.ts";

/** What `--proxy` takes for "none, whatever the environment says". */
const DIRECT = "direct";

/** Whether the target is dialled with TLS → the variables that name its proxy; the first that is not empty counts. */
const VARIABLES = {
  tls: ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
  plain: ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
} as const;

/** Scheme of a proxy → the port when its URL has none (that of curl and of RFC 1928). */
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  "http:": 80,
  "https:": 443,
  "socks:": 1080,
  "socks5:": 1080,
  "socks5h:": 1080,
};

/** Where somebody dials to. */
export interface DialTarget extends HostAndPort {
  readonly tls: boolean;
}

/** Options of {@linkcode proxyFor}. */
export interface ProxyOptions {
  /** `--proxy`, as given. */
  readonly proxy?: string | undefined;
  readonly env: Env;
}

/**
 * The proxy for a target, or `undefined` to dial it directly.
 *
 * @throws {UsageError} If the proxy's URL is none, or its kind is not supported.
 */
export function proxyFor(target: DialTarget, { proxy, env }: ProxyOptions): URL | undefined {
  if (proxy === DIRECT) return undefined;
  if (proxy !== undefined) return parseProxy(proxy, "--proxy");
  const exempt = env["NO_PROXY"] || env["no_proxy"] || "";
  if (isLoopbackHost(target.host) || isExempt(target, exempt)) return undefined;
  const name = VARIABLES[target.tls ? "tls" : "plain"].find((variable) => env[variable]);
  return name === undefined ? undefined : parseProxy(env[name]!, name);
}

/** The target that a URI with a scheme of HTTP or WebSocket names. */
export function targetOf({ protocol, hostname, port }: URL): DialTarget {
  const tls = protocol === "wss:" || protocol === "https:";
  return { host: hostname, port: Number(port || (tls ? 443 : 80)), tls };
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
      hint: "Write http://proxy.example:3128, socks5h://proxy.example:1080, or direct for none; " +
        "a user and password stand before the host: http://user:password@proxy.example:3128",
    });
  }
  if (DEFAULT_PORTS[url.protocol] === undefined) {
    throw new UsageError(`${from} names a ${url.protocol.slice(0, -1)} proxy`, {
      hint: "Supported are http://, https://, socks5:// and socks5h://; --proxy names another " +
        "proxy for this program alone, and --proxy direct none",
    });
  }
  return url;
}

/** Where a proxy listens. */
export function addressOf({ protocol, hostname, port }: URL): HostAndPort {
  return { host: bareHost(hostname), port: Number(port || DEFAULT_PORTS[protocol]) };
}

/** The user and the password that a proxy's URL holds. */
export function credentialsOf(
  { username, password }: URL,
): { readonly user: string; readonly password: string } | undefined {
  if (username === "" && password === "") return undefined;
  return { user: decode(username), password: decode(password) };
}

/** Whether a proxy's URL holds a user or a password, as far as it can be told. */
export function hasPassword(text: string): boolean {
  return text.includes("@");
}

/** A proxy's URL without its password, for logs. */
export function redactProxy(proxy: URL): string {
  return `${proxy.protocol}//${credentialsOf(proxy) === undefined ? "" : "…@"}${proxy.host}`;
}

/** A password may hold a `%` that nobody escaped. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
