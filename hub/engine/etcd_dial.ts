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
  const to = formatHostPort(address);
  const late = new Error(`${to} did not answer within ${timeoutMs} ms`);
  const socket = open(address, tls);
  const fail = Promise.withResolvers<never>();
  fail.promise.catch(() => {});
  const abort = () => fail.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => fail.reject(late), timeoutMs);
  let channel: Channel | undefined;
  try {
    const stream = await Promise.race([connected(socket, tls !== undefined), fail.promise]);
    channel = new Channel(stream, {
      authority: to,
      secure: tls !== undefined,
      userAgent: `ghub/${VERSION}`,
      maxMessageBytes: MAX_MESSAGE_BYTES,
    });
    await Promise.race([channel.ready, fail.promise]);
    return channel;
  } catch (error) {
    socket.destroy();
    await channel?.[Symbol.asyncDispose]();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
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
  socket.setNoDelay(true);
  return socket;
}

function connected(socket: Socket, isTls: boolean): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.once("close", () => reject(new Error("the connection was closed")));
    socket.once(isTls ? "secureConnect" : "connect", () => resolve(duplexStream(socket)));
  });
}
