/**
 * Opens a connection to a member of etcd: TCP, perhaps TLS with a certificate of ours, and HTTP/2 on it.
 *
 * TLS is Node's: `Deno.connectTls` leaves Nagle's algorithm on, which made a read take 44 ms in place of
 * one or two, and `Deno.startTls` shows no client certificate.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { deadline } from "../../shared/async/deadline.ts";
import { formatHostPort, type HostPort } from "../../shared/cli/parse_host_port.ts";
import type { ByteStream } from "../../shared/grpc_client/byte_stream.ts";
import { Channel } from "../../shared/grpc_client/channel.ts";
import { duplexStream } from "../../shared/grpc_client/duplex_stream.ts";
import { VERSION } from "../../shared/version.ts";

/** Files of TLS; they are read at each dial, so that renewed ones are used. */
export interface EtcdTlsFiles {
  /** @default the machine's authorities */
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export interface EtcdDialOptions {
  /** @default plain */
  readonly tls?: EtcdTlsFiles | undefined;
  /** Until the member has shown that it speaks HTTP/2. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A message that is longer is not taken: 1 000 records, each with as many labels as it may have. */
const MAX_MESSAGE_BYTES = 64 << 20;

/**
 * A channel whose other end has shown that it speaks HTTP/2.
 *
 * @throws {Error} If there is none in time, with the reason.
 */
export async function dialEtcd(
  address: HostPort,
  { tls, timeoutMs, signal }: EtcdDialOptions,
): Promise<Channel> {
  signal.throwIfAborted();
  const socket = open(address, tls);
  let channel: Channel | undefined;
  const dial = async () => {
    channel = new Channel(await connected(socket, tls !== undefined), {
      authority: formatHostPort(address),
      secure: tls !== undefined,
      userAgent: `ghub/${VERSION}`,
      maxMessageBytes: MAX_MESSAGE_BYTES,
    });
    await channel.ready;
    return channel;
  };
  try {
    return await deadline(dial(), timeoutMs, { signal, what: "dial" });
  } catch (error) {
    socket.destroy();
    await channel?.[Symbol.asyncDispose]();
    throw error;
  }
}

function open({ host, port }: HostPort, tls: EtcdTlsFiles | undefined): Socket {
  if (tls === undefined) return connectTcp({ host, port, noDelay: true, autoSelectFamily: true });
  const { caFile, certFile, keyFile } = tls;
  const socket = connectTls({
    host,
    port,
    ...(isIP(host) === 0 && { servername: host }),
    ...(caFile !== undefined && { ca: readFileSync(caFile) }),
    ...(certFile !== undefined && { cert: readFileSync(certFile) }),
    ...(keyFile !== undefined && { key: readFileSync(keyFile) }),
    ALPNProtocols: ["h2"],
  });
  socket.setNoDelay();
  return socket;
}

function connected(socket: Socket, isTls: boolean): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("the connection was closed")));
    socket.once(isTls ? "secureConnect" : "connect", () => resolve(duplexStream(socket)));
  });
}
