/**
 * Connects to an upstream, in plain text, on a unix socket or with TLS.
 *
 * @module
 */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { loadAuthorities, loadCertificate } from "../../shared/tls/load.ts";
import { readToken } from "../dial/token.ts";
import { describeUpstream, type ExposedUpstream, type UpstreamTls } from "./upstream.ts";

/** An upstream that does not take a connection in this time is down. */
const UPSTREAM_TIMEOUT_MS = 5_000;

/** A connection to an upstream, and the token that it asks for. */
export interface UpstreamConnection {
  readonly socket: Socket;
  readonly token: string | undefined;
}

/** Options of {@linkcode dialUpstream}. */
export interface DialUpstreamOptions {
  readonly signal?: AbortSignal;
  /** @default UPSTREAM_TIMEOUT_MS */
  readonly timeoutMs?: number;
}

/**
 * Connects to an upstream. Its files are read each time, so that they may change.
 *
 * @throws {Error} That names it, if it cannot be reached in time or a file of it cannot be used.
 * @throws `signal.reason`, as soon as the signal fires.
 */
export async function dialUpstream(
  upstream: ExposedUpstream,
  { signal, timeoutMs = UPSTREAM_TIMEOUT_MS }: DialUpstreamOptions = {},
): Promise<UpstreamConnection> {
  signal?.throwIfAborted();
  try {
    const { tokenFile: file } = upstream;
    const token = await readToken({ file }, "--upstream-token-file");
    return { socket: await connected(upstream, { signal, timeoutMs }), token };
  } catch (cause) {
    signal?.throwIfAborted();
    const { message } = cause as Error;
    throw new Error(`Cannot reach ${describeUpstream(upstream)}: ${message}`, { cause });
  }
}

async function connected(
  { address, tls }: ExposedUpstream,
  { signal, timeoutMs }: { readonly signal: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const host = "host" in address ? address.host : "";
  const settings = tls === undefined ? undefined : await tlsSettings(tls, host);
  const raw = connect({ ...address, noDelay: true, allowHalfOpen: true });
  const socket = settings === undefined ? raw : connectTls({ ...settings, socket: raw });
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  // They stay for the socket's whole life: an error without a listener would end the process.
  raw.on("error", reject);
  socket.on("error", reject);
  socket.once(settings === undefined ? "connect" : "secureConnect", () => {
    const { alpnProtocol } = socket as TLSSocket;
    // Not said is taken for HTTP/2: some servers offer nothing (RFC 9113 §3.2 wants "h2").
    if (settings !== undefined && alpnProtocol && alpnProtocol !== "h2") {
      return reject(new Error(`it speaks "${alpnProtocol}", not HTTP/2`));
    }
    resolve(socket);
  });
  try {
    return await promise;
  } catch (error) {
    socket.destroy();
    raw.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function tlsSettings({ caFile, serverName, certFile, keyFile }: UpstreamTls, host: string) {
  const ca = caFile === undefined
    ? undefined
    : await loadAuthorities(caFile, { flag: "--upstream-ca-file" });
  const pair = certFile === undefined ? undefined : await loadCertificate(certFile, { keyFile });
  const name = serverName ?? host;
  return {
    ALPNProtocols: ["h2"],
    // A name only (RFC 6066 §3); the certificate is compared with the host all the same.
    ...(isIP(name) === 0 ? { servername: name } : { host: name }),
    ...(ca !== undefined && { ca }),
    ...(pair !== undefined && { cert: pair.cert, key: pair.key }),
  };
}
