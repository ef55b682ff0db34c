/**
 * Opens the connection of a call: TCP, perhaps through a proxy, perhaps with TLS, perhaps with the JSON
 * handshake of raw mode; and HTTP/2 on it.
 *
 * @module
 */
import { afterOwnTime } from "../../shared/async/after_own_time.ts";
import { MAX_TIMER_MS } from "../../shared/async/delay.ts";
import { formatHostPort, type HostPort } from "../../shared/cli/parse_host_port.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { type ByteStream, denoStream } from "../../shared/grpc_client/byte_stream.ts";
import { Channel } from "../../shared/grpc_client/channel.ts";
import { ProxyError } from "../../shared/net/proxy_error.ts";
import { wrongHost } from "../../shared/tls/wrong_host.ts";
import { VERSION } from "../../shared/version.ts";
import type { HandshakeRequest } from "./raw_handshake.ts";
import type { TlsSettings } from "./tls_settings.ts";

export interface DialOptions {
  /** Absent: plain. */
  readonly tls?: TlsSettings | undefined;
  /** Absent: straight to the address. */
  readonly proxy?: URL | undefined;
  /** Raw mode; absent: gRPC begins at once. */
  readonly handshake?: HandshakeRequest | undefined;
  /** The longest message that is accepted. */
  readonly maxMessageBytes?: number;
  /** What the caller calls itself. @default gclient and its version */
  readonly userAgent?: string;
  /** Asks for a sign of life after this long without one. @default never */
  readonly keepaliveMs?: number;
  /** Is told of each step that is done. */
  readonly onStep?: ((step: "resolve" | "dial" | "TLS" | "hub") => void) | undefined;
  /** For the connection alone. */
  readonly timeoutMs: number;
  /** `Date.now()` at which the whole call must have ended. @default Infinity */
  readonly deadline?: number;
  readonly signal: AbortSignal;
}

/**
 * A channel whose other end has shown that it speaks HTTP/2.
 *
 * @throws {RpcError} `UNAVAILABLE` when nothing answers in time or as it should; `DEADLINE_EXCEEDED` when
 *     the whole call's time was over before; the hub's refusal in raw mode.
 * @throws `signal.reason`, as soon as the signal fires.
 */
export async function dial(address: HostPort, options: DialOptions): Promise<Channel> {
  const { timeoutMs, deadline = Infinity, signal } = options;
  signal.throwIfAborted();
  const leftMs = deadline - Date.now();
  const limit = new AbortController();
  const stop = () => limit.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const to = formatHostPort(address);
  const timer = setTimeout(
    () => limit.abort(noTime(to)),
    Math.min(Math.max(0, leftMs), MAX_TIMER_MS),
  );
  const stopTimer = afterOwnTime(timeoutMs, () => limit.abort(noAnswer(to, timeoutMs)));
  let stream: ByteStream | undefined;
  const close = () => stream?.close();
  limit.signal.addEventListener("abort", close, { once: true });
  try {
    stream = await connect(address, options, limit.signal);
    if (options.handshake !== undefined) {
      const { shakeHands } = await import("./raw_handshake.ts");
      stream = await shakeHands(stream, options.handshake);
    }
    limit.signal.throwIfAborted();
    const { maxMessageBytes, keepaliveMs, userAgent = `gclient/${VERSION}` } = options;
    const channel = new Channel(stream, {
      authority: to,
      secure: options.tls !== undefined,
      userAgent,
      ...(keepaliveMs !== undefined && { keepaliveMs }),
      ...(maxMessageBytes !== undefined && { maxMessageBytes }),
    });
    try {
      await channel.ready;
      options.onStep?.("hub");
      return channel;
    } catch (error) {
      await channel[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    stream?.close();
    if (limit.signal.aborted) throw limit.signal.reason;
    throw toRpcError(error, options.proxy);
  } finally {
    clearTimeout(timer);
    stopTimer();
    signal.removeEventListener("abort", stop);
    limit.signal.removeEventListener("abort", close);
  }
}

async function connect(
  address: HostPort,
  { tls, proxy, handshake, onStep }: DialOptions,
  signal: AbortSignal,
): Promise<ByteStream> {
  if (onStep !== undefined) {
    const { lookup } = await import("node:dns/promises");
    // For its time alone: whoever connects asks for it too, and tells what is wrong.
    await lookup(proxy?.hostname ?? address.host).then(() => onStep("resolve"), () => {});
    signal.throwIfAborted();
  }
  if (tls === undefined && proxy === undefined) {
    const { host: hostname, port } = address;
    const connection = await Deno.connect({ hostname, port, signal });
    onStep?.("dial");
    connection.setNoDelay();
    return denoStream(connection);
  }
  const { dialSocket } = await import("./socket_stream.ts");
  return await dialSocket(address, { tls, proxy, alpn: handshake === undefined, signal, onStep });
}

function noTime(to: string): RpcError {
  const message = `Cannot connect to ${to}: the time for the whole call was over before`;
  return new RpcError(Status.DEADLINE_EXCEEDED, message);
}

function noAnswer(to: string, timeoutMs: number): RpcError {
  const message = `Cannot connect to ${to}: no answer within ${timeoutMs} ms`;
  return new RpcError(Status.UNAVAILABLE, message);
}

function toRpcError(error: unknown, proxy: URL | undefined): RpcError {
  if (error instanceof RpcError) return error;
  const through = proxy === undefined || error instanceof ProxyError
    ? ""
    : ` through the proxy ${proxy.host}`;
  const words = wrongHost(error) ?? (error instanceof Error ? error.message : String(error));
  const bare = words.replace(/^(?:\w*Error: )+/, "").replace(/ \(os error \d+\)$/, "");
  const reason = bare.trim() || "the connection was closed";
  return new RpcError(Status.UNAVAILABLE, `Cannot connect${through}: ${reason}`, { cause: error });
}
