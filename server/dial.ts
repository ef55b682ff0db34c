/**
 * Opens the WebSocket of a tunnel: docs/protocol.md, "Registration".
 *
 *     name, labels, token ─▶ [ proxy CONNECT ] ─▶ [ TLS ] ─▶ GET /ws ─▶ 101 ─▶ accept(socket)
 *                                                               └─ else ─▶ DialError
 *
 * @module
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { SUBPROTOCOL } from "../shared/bridge/upgrade.ts";
import { WebSocket } from "../shared/bridge/ws.ts";
import { KEYS_HEADER, NONCE_HEADER } from "../shared/vouchers/voucher.ts";
import { DialError, fromNetwork } from "./dial_error.ts";
import { redactProxy } from "./proxy.ts";
import { proxyAgent } from "./proxy_agent.ts";
import { endWhenPinned } from "./tls_pins.ts";
import { readRefusal } from "./refusal.ts";
import type { TlsMaterial } from "./tls_material.ts";

type WebSocketSettings = ConstructorParameters<typeof WebSocket>[2];

/** The whole handshake, from DNS to the 101. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** The largest message that a hub may send; borders of messages mean nothing, so it need not. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** How long a peer may take to answer our close frame before its socket is cut. */
const CLOSE_TIMEOUT_MS = 2_000;

/** What a server says of itself. */
export interface Registration {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** A UUID of this process. */
  readonly instance: string;
  /** An open tunnel of the same instance may end its calls, once this one is open. @default false */
  readonly renews?: boolean;
  readonly version: string;
}

/** Options of {@linkcode dial}. */
export interface DialOptions {
  /** `ws:` or `wss:`, with its path. */
  readonly hubUri: URL;
  readonly registration: Registration;
  /** The credential, if there is one. */
  readonly token?: string | undefined;
  /** Asks the hub to vouch for who calls. */
  readonly nonce?: string | undefined;
  readonly tls?: TlsMaterial;
  /** Keys of which the hub's certificate must have one; as `parsePin` reads them. @default any */
  readonly pins?: readonly string[] | undefined;
  /** Goes through this HTTP proxy. */
  readonly proxy?: URL | undefined;
  /** @default HANDSHAKE_TIMEOUT_MS */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A WebSocket that is open. */
export interface OpenSocket {
  readonly socket: WebSocket;
  /** What carries it. */
  readonly connection: Socket;
  /** What it was asked to vouch with, and the key statement that it gave, if it did. */
  readonly nonce?: string | undefined;
  readonly keys?: string | undefined;
}

/**
 * Dials the hub.
 *
 * @param accept Called in the turn in which the WebSocket opens: the hub's first bytes may be
 *     in the same packet, and are lost to a listener that comes later.
 * @returns What `accept` returned.
 * @throws {DialError} If the hub refuses, or cannot be reached in time.
 * @throws `signal.reason`, as soon as the signal fires.
 */
export async function dial<T>(options: DialOptions, accept: (open: OpenSocket) => T): Promise<T> {
  const { timeoutMs = HANDSHAKE_TIMEOUT_MS, signal } = options;
  signal?.throwIfAborted();
  if (options.pins?.length && options.hubUri.protocol !== "wss:") {
    throw new DialError(`A key is pinned, but ${options.hubUri.href} has no TLS`);
  }
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const giveUp = new AbortController();
  const { hubUri, proxy, pins = [] } = options;
  const via = proxy && proxyAgent(proxy, giveUp.signal);
  const settings = {
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    closeTimeout: CLOSE_TIMEOUT_MS,
    headers: headersOf(options),
    ...options.tls,
    ...(via !== undefined && { agent: via.agent }),
    ...(pins.length > 0 && {
      finishRequest: (request: ClientRequest) => endWhenPinned(request, { pins, onWrong: reject }),
    }),
  };
  const socket = new WebSocket(hubUri, SUBPROTOCOL, settings as WebSocketSettings);
  // Never removed: an error without a listener would end the process.
  socket.on("error", (error: Error) => reject(fromDial(error, proxy)));
  let connection: Socket | undefined;
  let keys: string | undefined;
  socket.on("upgrade", (response: IncomingMessage) => {
    connection = response.socket;
    keys = response.headers[KEYS_HEADER.toLowerCase()]?.toString();
    connection.setNoDelay(true);
  });
  socket.on("unexpected-response", (request: ClientRequest, response: IncomingMessage) => {
    const byProxy = via?.refused() ?? false;
    void readRefusal(response, { byProxy }).then(reject, reject).finally(() => request.destroy());
  });
  socket.on("open", () => {
    try {
      if (connection === undefined) throw new DialError("The upgrade came without a connection");
      resolve(accept({ socket, connection, nonce: options.nonce, keys }));
    } catch (error) {
      socket.terminate();
      reject(error);
    }
  });
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(
    () => reject(new DialError(`The hub did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    return await promise;
  } catch (error) {
    socket.terminate();
    giveUp.abort();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function headersOf({ registration, token, nonce }: DialOptions): Record<string, string> {
  const labels = Object.entries(registration.labels).map(([key, value]) => `${key}=${value}`);
  return {
    "X-Hub-Meta-Name": registration.name,
    "X-Hub-Meta-Instance": registration.instance,
    ...(registration.renews && { "X-Hub-Meta-Renews": "1" }),
    "X-Hub-Meta-Version": registration.version,
    ...(labels.length > 0 && { "X-Hub-Meta-Labels": labels.join(",") }),
    ...(nonce !== undefined && { [NONCE_HEADER]: nonce }),
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
  };
}

function fromDial(error: Error, proxy: URL | undefined): DialError {
  if (proxy === undefined) return fromNetwork(error);
  const { message, hint, cause } = fromNetwork(error, { viaProxy: true });
  return new DialError(`${message} (through the proxy ${redactProxy(proxy)})`, {
    cause,
    hint,
  });
}
