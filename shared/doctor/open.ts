/**
 * Connections for a doctor to look at: opened, looked at, closed.
 *
 * @module
 */
import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { HostPort } from "../cli/parse_host_port.ts";
import { dialThrough } from "../net/proxy_dial.ts";

export interface NetworkTarget {
  readonly address: HostPort;
  /** Absent: straight to the address. */
  readonly proxy: URL | undefined;
  /** Absent: plain. */
  readonly tls: {
    readonly serverName: string;
    readonly skipVerify: boolean;
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  } | undefined;
  /** The protocol that TLS offers. */
  readonly alpn: string;
  readonly signal: AbortSignal;
}

/** One check takes no longer. */
const LIMIT_MS = 10_000;

/** The caller destroys it. @throws {Error} If nobody answers there in time. */
export async function openTcp({ address, proxy, signal }: NetworkTarget): Promise<Socket> {
  const limit = limited(signal);
  if (proxy !== undefined) return await dialThrough(proxy, address, { signal: limit });
  const socket = connect({ ...address, noDelay: true, autoSelectFamily: true });
  socket.on("error", () => {});
  try {
    await once(socket, "connect", { signal: limit });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * With TLS, where that is wanted. The certificate is not judged: `authorizationError` says what would
 * be found. The caller destroys it.
 *
 * @throws {Error} If nobody answers there in time, or not by TLS.
 */
export async function openTls(target: NetworkTarget): Promise<TLSSocket | undefined> {
  const { tls, alpn, signal } = target;
  if (tls === undefined) return undefined;
  const { serverName, ca, cert, key } = tls;
  const socket = await openTcp(target);
  const own = connectTls({
    socket,
    ...(isIP(serverName) !== 0 ? { host: serverName } : { servername: serverName }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ALPNProtocols: [alpn],
    // Looked at first, judged by the caller.
    rejectUnauthorized: false,
  });
  own.on("error", () => {});
  own.once("close", () => socket.destroy());
  try {
    await once(own, "secureConnect", { signal: limited(signal) });
    return own;
  } catch (error) {
    own.destroy();
    socket.destroy();
    throw error;
  }
}

function limited(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
}
