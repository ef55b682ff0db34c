/**
 * A path: one way for a caller to reach an Echo service.
 *
 * @module
 */
import type { ChannelOptions } from "@grpc/grpc-js";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import type { CertificatePair } from "../../shared/tls/generate.ts";
import { EchoClient, type Headers } from "./echo_client.ts";

/** The suite of `call_suite.ts` runs over each path, with the same expectations. */
export interface Path {
  readonly name: string;
  /** A grpc-js client on a channel of its own. */
  client(channel?: ChannelOptions): EchoClient;
  /** A connection at the point where HTTP/2 begins. */
  dial(): Promise<net.Socket>;
  /** What its client calls itself. @default grpc-js */
  readonly userAgent?: RegExp;
  /** Whether its Echo compresses what it is asked to. @default true */
  readonly compresses?: boolean;
  /** How many messages are many: a client that is steered from outside takes longer. @default 10,000 */
  readonly many?: number;
  /** What its server does in its own way. @default as grpc-js */
  readonly habits?: Habits;
  /** What the path itself needs in the headers of a call. */
  readonly metadata: Headers;
}

/** What a server does where gRPC leaves it a choice. */
export interface Habits {
  /** What it says of the method `/echo.v1.Echo/Nope`, which it does not have. */
  readonly noMethod?: string;
  /** How it treats a content type that is not gRPC's: as an error of gRPC, or as gRPC's. */
  readonly foreignType?: "refuses" | "takes";
  /** Metadata that it keeps for itself. */
  readonly keeps?: readonly string[];
}

/** A path that any gRPC client can take: an address, and perhaps metadata. */
export function plainPath(name: string, address: string, metadata: Headers = {}): Path {
  return {
    name,
    metadata,
    client: (channel = {}) => new EchoClient(address, { channel, metadata }),
    dial: () => dialTcp(address),
  };
}

export interface DialOptions {
  /** Where it comes from, such as another address of loopback. @default the system's choice */
  readonly localAddress?: string | undefined;
}

/** Opens a TCP connection to `host:port`. */
export function dialTcp(
  address: string,
  { localAddress }: DialOptions = {},
): Promise<net.Socket> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const host = hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const from = localAddress === undefined ? {} : { localAddress };
    const socket = net.connect({ host, port: Number(port), noDelay: true, ...from });
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

/** Opens a connection for HTTP/2 over TLS to `host:port`, whose certificate is not looked at. */
export async function dialTls(address: string, identity?: CertificatePair): Promise<tls.TLSSocket> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const socket = tls.connect({
    host: hostname,
    port: Number(port),
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    ...(identity && { cert: identity.cert, key: identity.key }),
  });
  socket.on("error", () => {}); // It closes.
  await once(socket, "secureConnect");
  return socket;
}

/** Waits until a socket is closed, by whatever. (`once()` of node:events would mind errors.) */
export function closing(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}

/** Closes a socket at once and waits until it is: the leak check of the test looks at it. */
export async function drop(socket: net.Socket): Promise<void> {
  socket.on("error", () => {}); // It closes.
  socket.destroy();
  await closing(socket);
}
