/**
 * Connections that need Node's sockets: TLS with client certificates, and proxies. Loaded when one is
 * made: a plain call starts faster without.
 *
 * @module
 */
import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { dialThrough } from "../../shared/net/proxy_dial.ts";
import type { HostPort } from "../../shared/cli/parse_host_port.ts";
import type { ByteStream } from "../../shared/grpc_client/byte_stream.ts";
import { duplexStream } from "../../shared/grpc_client/duplex_stream.ts";
import type { TlsSettings } from "./tls_settings.ts";

export interface SocketStreamOptions {
  /** Absent: straight to the address. */
  readonly proxy?: URL | undefined;
  /** Absent: plain. */
  readonly tls?: TlsSettings | undefined;
  /** Whether gRPC begins at once: then TLS says so (ALPN). The hub takes that for a routed call. */
  readonly alpn: boolean;
  readonly signal: AbortSignal;
  /** Is told of each step that is done. */
  readonly onStep?: ((step: "dial" | "TLS") => void) | undefined;
}

/** Opens a connection. */
export async function dialSocket(
  address: HostPort,
  { proxy, tls, alpn, signal, onStep }: SocketStreamOptions,
): Promise<ByteStream> {
  const tcp = proxy === undefined
    ? await dialDirectly(address, signal)
    : await dialThrough(proxy, address, { signal });
  onStep?.("dial");
  if (tls === undefined) return duplexStream(tcp);
  try {
    const own = await secure(tcp, tlsOptions(tls, alpn), signal);
    onStep?.("TLS");
    return duplexStream(own);
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}

async function dialDirectly({ host, port }: HostPort, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true, autoSelectFamily: true });
  socket.on("error", () => {});
  try {
    await once(socket, "connect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function tlsOptions(
  { serverName, skipVerify, ca, cert, key }: TlsSettings,
  alpn: boolean,
): ConnectionOptions {
  return {
    // An address is compared with the certificate as `host`; a name also travels as `servername`,
    // which an address of digits must not (RFC 6066 §3).
    ...(isIP(serverName) !== 0 ? { host: serverName } : { servername: serverName }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(alpn && { ALPNProtocols: ["h2"] }),
    rejectUnauthorized: !skipVerify,
  };
}

function secure(socket: Socket, options: ConnectionOptions, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const closed = () => reject(new Error("the connection was closed during the TLS handshake"));
  const aborted = () => {
    own.destroy();
    reject(signal.reason);
  };
  const own = connectTls({ ...options, socket }, () => resolve(own));
  own.on("error", reject).once("close", closed);
  signal.addEventListener("abort", aborted, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", aborted));
}
