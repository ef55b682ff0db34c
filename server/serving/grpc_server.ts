/**
 * A grpc-js server without a port: connections are put into it.
 *
 * grpc-js keeps its HTTP/2 sessions to itself, and has options for the windows of a client but
 * none for those of a server. Both are reached through `createHttp2Server`, which its type calls
 * private; grpc-js is pinned to one version, and a test looks at the windows on the wire.
 *
 * @module
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type {
  Http2Server,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import type { RpcError } from "../../shared/grpc/rpc_error.ts";
import type { Origin } from "./origin.ts";
import { RequestLimits } from "./request_limits.ts";

/** The largest message that a server takes, if no flag says otherwise. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/**
 * What one call may send ahead of a handler that is slow to read. HTTP/2's default of 64 KiB
 * allows 1.3 MB/s over a path of 50 ms; this allows 20.
 */
export const STREAM_WINDOW_BYTES = 1024 * 1024;
/** What all calls of one connection may send ahead together. */
export const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;

/** Calls in flight on one connection; the next one waits at the peer. */
export const MAX_CONCURRENT_STREAMS = 10_000;

/** Options of {@linkcode createGrpcServer}. */
export interface TunnelGrpcServerOptions {
  /** @default MAX_MESSAGE_BYTES */
  readonly maxMessageBytes?: number;
}

/** A server, and the way to put connections into it. */
export interface TunnelGrpcServer extends Disposable {
  readonly grpc: Server;
  /** The largest requests of services that have a limit of their own. */
  readonly limits: RequestLimits;
  /**
   * Serves on a connection, as if a listener had accepted it.
   *
   * @param origin Decides which of its calls reach gRPC.
   * @returns Its HTTP/2 session, which ends when the stream does.
   */
  inject(stream: Duplex, origin: Origin): ServerHttp2Session;
}

type StreamListener = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  ...more: unknown[]
) => void;

/** The part of grpc-js's Server that its type hides. */
interface Inside {
  createHttp2Server(credentials: ServerCredentials): Http2Server;
}

export function createGrpcServer(options: TunnelGrpcServerOptions = {}): TunnelGrpcServer {
  const { maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  const grpc = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": MAX_CONCURRENT_STREAMS,
    // Liveness is the tunnel's own matter; HTTP/2 pings in addition to it would only cost.
    "grpc.enable_channelz": 0,
  });
  const limits = new RequestLimits();
  let latest: ServerHttp2Session | undefined;
  const origins = new WeakMap<object, Origin>();
  const inside = grpc as unknown as Inside;
  const create = inside.createHttp2Server.bind(grpc);
  inside.createHttp2Server = (credentials) => {
    const server = create(credentials);
    server.updateSettings({
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
    });
    server.on("session", (session: ServerHttp2Session) => {
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
      // A peer that breaks HTTP/2 loses its session, not this process.
      session.on("error", () => {});
      latest = session;
    });
    // An interceptor would not see calls of methods that there are not.
    for (const listener of server.listeners("stream")) {
      server.off("stream", listener as StreamListener);
      server.on("stream", admitted(listener as StreamListener, { origins, limits }));
    }
    return server;
  };
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    grpc,
    limits,
    inject(stream, origin) {
      latest = undefined;
      injector.injectConnection(stream);
      const session = latest as ServerHttp2Session | undefined;
      if (session === undefined) throw new Error("Cannot serve: grpc-js made no HTTP/2 session");
      origins.set(session, origin);
      // node:http2 does not notice by itself that a stream which is no socket has ended.
      stream.once("close", () => session.destroy());
      return session;
    },
    [Symbol.dispose]() {
      grpc.forceShutdown();
    },
  };
}

/** Passes the streams on that their connection's origin lets in, and answers the others. */
function admitted(
  listener: StreamListener,
  { origins, limits }: {
    readonly origins: WeakMap<object, Origin>;
    readonly limits: RequestLimits;
  },
): StreamListener {
  return (stream, headers, ...more) => {
    const origin = stream.session && origins.get(stream.session);
    // Its connection has ended in this very turn: nobody waits for an answer.
    if (origin === undefined || stream.destroyed) return stream.destroy();
    const refusal = origin.enter(stream, headers);
    if (refusal !== undefined) return refuse(stream, refusal);
    limits.watch(stream, headers[":path"] ?? "", (error) => refuse(stream, error));
    listener(stream, headers, ...more);
  };
}

/** A whole answer in one header section ("Trailers-Only"). */
function refuse(stream: ServerHttp2Stream, error: RpcError): void {
  // A stream that fails has nobody else who listens.
  stream.on("error", () => {});
  try {
    stream.respond({
      ":status": 200,
      "content-type": "application/grpc",
      ...Object.fromEntries(error.trailers()),
    }, { endStream: true });
  } catch {
    // The caller was faster, and has reset it.
    return void stream.destroy();
  }
  // What the caller still sends must not fill the connection's window.
  stream.resume();
}
