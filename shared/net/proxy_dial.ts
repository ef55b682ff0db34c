/**
 * Dials a target through a proxy.
 *
 *     TCP to the proxy ─▶ [ https: TLS to it ] ─▶ CONNECT or SOCKS5 ─▶ a socket to the target
 *
 * The caller speaks TLS with the target on the socket that it gets: the proxy sees no byte of it.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { bareHost } from "./bare_host.ts";
import { httpConnect } from "./http_connect.ts";
import type { HostAndPort } from "./no_proxy.ts";
import { addressOf, credentialsOf, redactProxy } from "./proxy.ts";
import { ProxyError } from "./proxy_error.ts";
import { socks5Connect } from "./socks5.ts";

/** Options of {@linkcode dialThrough}. */
export interface DialThroughOptions {
  /** Ends the dial; what came of it is destroyed then, as long as it is under way. */
  readonly signal: AbortSignal;
  /** PEM of the authorities to trust for an `https:` proxy. @default the system's */
  readonly ca?: string | undefined;
}

/**
 * Opens a connection to the target. Bytes of the target that came early are not lost.
 *
 * @returns A socket that is paused, with Nagle's algorithm off. It has a listener for errors.
 * @throws {ProxyError} If the proxy is not there, or refuses.
 * @throws `signal.reason`, as soon as the signal fires.
 */
export async function dialThrough(
  proxy: URL,
  target: HostAndPort,
  { signal, ca }: DialThroughOptions,
): Promise<Socket> {
  signal.throwIfAborted();
  const raw = connect({ ...addressOf(proxy), noDelay: true });
  // Stays for the socket's whole life: an error without a listener would end the process.
  raw.on("error", () => {});
  let socket = raw;
  try {
    await once(raw, "connect", { signal });
    if (proxy.protocol === "https:") socket = await secured(raw, proxy, { signal, ca });
    const options = { target, credentials: credentialsOf(proxy), signal };
    if (proxy.protocol.startsWith("http")) await httpConnect(socket, options);
    else await socks5Connect(socket, { ...options, target: await resolved(proxy, target) });
    return socket;
  } catch (error) {
    raw.destroy();
    socket.destroy();
    signal.throwIfAborted();
    throw error instanceof ProxyError ? error : away(error as Error, proxy);
  }
}

async function secured(
  socket: Socket,
  proxy: URL,
  { signal, ca }: DialThroughOptions,
): Promise<Socket> {
  const { host } = addressOf(proxy);
  const secure = connectTls({
    socket,
    // A name only (RFC 6066 §3); the certificate is compared with the host all the same.
    ...(isIP(host) === 0 ? { servername: host } : { host }),
    ...(ca !== undefined && { ca }),
    ALPNProtocols: ["http/1.1"],
  });
  secure.on("error", () => {});
  await once(secure, "secureConnect", { signal });
  return secure;
}

/** `socks5:` is told an address, as curl does it. */
async function resolved(proxy: URL, target: HostAndPort): Promise<HostAndPort> {
  const host = bareHost(target.host);
  if (proxy.protocol !== "socks5:" || isIP(host) !== 0) return { ...target, host };
  try {
    return { ...target, host: (await lookup(host)).address };
  } catch (cause) {
    throw new ProxyError(`Cannot resolve ${host}: ${(cause as Error).message}`, {
      fault: "target",
      hint: "Write socks5h:// for the proxy: then the proxy resolves names",
      cause,
    });
  }
}

/** No connection to the proxy, or one that broke. */
function away(cause: Error & { code?: string }, proxy: URL): ProxyError {
  const words = `${cause.code ?? ""} ${cause.message}`;
  const text = cause.message === "" ? cause.code ?? "unknown error" : cause.message;
  const trust = /CERT|ISSUER|SIGNED|VERIFY|ALTNAME|NotValidForName/i.test(words);
  const noTls = /WRONG_VERSION|EPROTO|InvalidContentType|corrupt message|packet length/i.test(
    words,
  );
  const hint = trust
    ? "The proxy's own certificate is not trusted: name its authority with --proxy-ca-cert-file"
    : noTls
    ? "That proxy speaks no TLS itself: write http:// for it, as for most proxies; TLS to the hub " +
      "goes through it from end to end all the same" +
      (credentialsOf(proxy) === undefined ? "" : ", but others can read the proxy's password then")
    : "The proxy cannot be reached: check --proxy or HTTPS_PROXY, or go without one by --proxy direct";
  return new ProxyError(`${text} (through the proxy ${redactProxy(proxy)})`, {
    fault: "away",
    hint,
    cause,
  });
}
