/**
 * Opens the WebSocket of a tunnel: docs/protocol.md, "Registration".
 *
 *     name, labels, token ─▶ [ proxy: CONNECT or SOCKS5 ] ─▶ [ TLS ] ─▶ GET /ws ─▶ 101 ─▶ accept(socket)
 *                                                               └─ else ─▶ DialError
 *
 * @module
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { SUBPROTOCOL } from "../../shared/websocket/upgrade.ts";
import { WebSocket } from "../../shared/websocket/ws.ts";
import { formatHeld, HELD_HEADER, HUB_ID_HEADER } from "../../shared/registration/hub_id.ts";
import { KEYS_HEADER, NONCE_HEADER } from "../../shared/vouchers/voucher.ts";
import { redactProxy, targetOf } from "../../shared/net/proxy.ts";
import { dialThrough } from "../../shared/net/proxy_dial.ts";
import { DialError, fromNetwork } from "./dial_error.ts";
import { lookupOne, type OnStage, tellingLookup, watchStages } from "./dial_stages.ts";
import { endWhenPinned } from "./tls_pins.ts";
import { readRefusal } from "./dial_refusal.ts";
import type { TlsMaterial } from "./tls_material.ts";

type WebSocketSettings = ConstructorParameters<typeof WebSocket>[2];

/** The whole handshake, from DNS to the 101. */
export const DIAL_TIMEOUT_MS = 10_000;
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
  /** One of the addresses of the URI's host, to be dialled in place of whichever answers. @default any */
  readonly address?: string | undefined;
  readonly registration: Registration;
  /** Ids of the hubs at which this name has a tunnel: none of them opens another one. @default none */
  readonly heldHubs?: readonly string[];
  /** The credential, if there is one. */
  readonly token?: string | undefined;
  /** Asks the hub to vouch for the operator of each call. */
  readonly nonce?: string | undefined;
  readonly tls?: TlsMaterial;
  /** Keys of which the hub's certificate must have one; as `parsePin` reads them. @default any */
  readonly pins?: readonly string[] | undefined;
  /** Goes through this proxy. */
  readonly proxy?: URL | undefined;
  /** PEM of the authorities to trust for an `https:` proxy. @default the system's */
  readonly proxyCa?: string | undefined;
  /** @default HANDSHAKE_TIMEOUT_MS */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called with what is waited for, whenever that changes. */
  readonly onStage?: OnStage;
}

/** A WebSocket that is open. */
export interface OpenSocket {
  readonly socket: WebSocket;
  /** What carries it. */
  readonly connection: Socket;
  /** What it was asked to vouch with, and the key statement that it gave, if it did. */
  readonly nonce?: string | undefined;
  readonly keys?: string | undefined;
  /** How the hub names itself, if it does. */
  readonly hubId?: string | undefined;
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
  const { hubUri, pins = [], proxy, proxyCa, timeoutMs = DIAL_TIMEOUT_MS, signal } = options;
  signal?.throwIfAborted();
  if (pins.length > 0 && hubUri.protocol !== "wss:") {
    throw new DialError(`A key is pinned, but ${hubUri.href} has no TLS`);
  }
  let stage = "start";
  const onStage = (next: string) => {
    stage = next;
    options.onStage?.(next);
  };
  const giveUp = new AbortController();
  const abort = () => giveUp.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(
    () => giveUp.abort(tooLate(timeoutMs, stage)),
    timeoutMs,
  );
  try {
    if (proxy !== undefined) onStage(`CONNECT through the proxy ${redactProxy(proxy)}`);
    const carrier = proxy && await dialThrough(proxy, targetOf(hubUri), {
      signal: giveUp.signal,
      ca: proxyCa,
    });
    return await upgrade({ ...options, onStage }, { accept, carrier, signal: giveUp.signal });
  } catch (error) {
    throw giveUp.signal.aborted ? giveUp.signal.reason : fromNetwork(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function tooLate(timeoutMs: number, stage: string): DialError {
  const hint = stage.startsWith("connect")
    ? "A firewall may drop the packets: is the port open?"
    : undefined;
  return new DialError(`The hub did not answer within ${timeoutMs} ms, at: ${stage}`, { hint });
}

/** What carries a WebSocket that is to be opened. */
interface UpgradeOptions<T> {
  readonly accept: (open: OpenSocket) => T;
  /** A socket to the hub that is there already. @default one is dialled */
  readonly carrier: Socket | undefined;
  readonly signal: AbortSignal;
}

async function upgrade<T>(
  options: DialOptions,
  { accept, carrier, signal }: UpgradeOptions<T>,
): Promise<T> {
  const { hubUri, address, pins = [], onStage } = options;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const settings = {
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    closeTimeout: CLOSE_TIMEOUT_MS,
    headers: headersOf(options),
    ...options.tls,
    ...(address !== undefined && { lookup: lookupOne(address) }),
    ...(onStage !== undefined && {
      lookup: tellingLookup(targetOf(hubUri), {
        onStage,
        ...(address !== undefined && { lookup: lookupOne(address) }),
      }),
    }),
    ...(carrier !== undefined && {
      createConnection: (settings: ConnectionOptions) =>
        hubUri.protocol === "wss:" ? secured(carrier, settings) : carrier.resume(),
    }),
    finishRequest: (request: ClientRequest) => {
      if (onStage !== undefined) {
        watchStages(request, { hubUri, carried: carrier !== undefined, onStage });
      }
      if (pins.length > 0) endWhenPinned(request, { pins, onWrong: reject });
      else request.end();
    },
  };
  const socket = new WebSocket(hubUri, SUBPROTOCOL, settings as WebSocketSettings);
  // Never removed: an error without a listener would end the process.
  socket.on("error", reject);
  let connection: Socket | undefined;
  let keys: string | undefined;
  let hubId: string | undefined;
  socket.on("upgrade", (response: IncomingMessage) => {
    connection = response.socket;
    keys = response.headers[KEYS_HEADER.toLowerCase()]?.toString();
    hubId = response.headers[HUB_ID_HEADER.toLowerCase()]?.toString();
    connection.setNoDelay();
  });
  socket.on("unexpected-response", (request: ClientRequest, response: IncomingMessage) => {
    void readRefusal(response).then(reject, reject).finally(() => request.destroy());
  });
  socket.on("open", () => {
    try {
      if (connection === undefined) throw new DialError("The upgrade came without a connection");
      resolve(accept({ socket, connection, nonce: options.nonce, keys, hubId }));
    } catch (error) {
      reject(error);
    }
  });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await promise;
  } catch (error) {
    socket.terminate();
    carrier?.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** TLS with the hub, through what leads to it; as npm:ws does it on a socket of its own. */
function secured(carrier: Socket, settings: ConnectionOptions): Socket {
  const { host = "", servername = isIP(host) === 0 ? host : "" } = settings;
  return connectTls({ ...settings, servername, socket: carrier });
}

function headersOf(
  { registration, token, nonce, heldHubs = [] }: DialOptions,
): Record<string, string> {
  const held = formatHeld(heldHubs);
  const labels = Object.entries(registration.labels).map(([key, value]) => `${key}=${value}`);
  return {
    "X-Hub-Meta-Name": registration.name,
    "X-Hub-Meta-Instance": registration.instance,
    ...(registration.renews && { "X-Hub-Meta-Renews": "1" }),
    "X-Hub-Meta-Version": registration.version,
    ...(labels.length > 0 && { "X-Hub-Meta-Labels": labels.join(",") }),
    ...(held !== undefined && { [HELD_HEADER]: held }),
    ...(nonce !== undefined && { [NONCE_HEADER]: nonce }),
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
  };
}
