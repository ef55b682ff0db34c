/**
 * Makes a local gRPC server reachable as `server/upstream`: a tunnel of its own, whose bytes
 * are piped to that server. The hub speaks HTTP/2 with it directly.
 *
 *     hub ══ WebSocket ══ gserver ── TCP ── 127.0.0.1:50051
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import net from "node:net";
import { CloseCode } from "../shared/bridge/close_codes.ts";
import { formatHostPort, type HostPort, parseHostPort } from "../shared/cli/parse_host_port.ts";
import { UsageError } from "../shared/cli/usage_error.ts";
import { isNamePart, NAME_PART_RULE } from "../shared/registration/server_name.ts";
import type { OpenSocket } from "./dial.ts";
import type { HeartbeatNumbers } from "./heartbeat.ts";
import type { Guarded } from "./origin.ts";
import { policyJudge, TRUSTING_JUDGE } from "./policy/call_judge.ts";
import { UpstreamGate } from "./policy/upstream_gate.ts";
import { Tunnel } from "./tunnel.ts";

const log = getLogger(["server", "expose"]);

/** An upstream that does not take a connection in this time is down. */
export const UPSTREAM_TIMEOUT_MS = 5_000;

/** A local gRPC server, and the name under which the hub knows it. */
export interface Upstream {
  readonly name: string;
  readonly address: HostPort;
}

/**
 * Reads the value of `--expose`.
 *
 *     payments=127.0.0.1:50051   → { name: "payments", address: { host: "127.0.0.1", port: 50051 } }
 *     payments=:50051            → the same
 *
 * @throws {UsageError} If it does not match.
 */
export function parseExpose(text: string): Upstream {
  const [, name = "", address = ""] = /^([^=]*)=(.+)$/.exec(text) ?? [];
  if (!isNamePart(name)) {
    throw new UsageError(`"${text}" is not NAME=HOST:PORT`, {
      hint: `Write payments=127.0.0.1:50051; a name is ${NAME_PART_RULE}`,
    });
  }
  const { host, port } = parseHostPort(address, { usualPort: 50051 });
  if (port === 0) throw new UsageError(`"${text}" has port 0`);
  return { name, address: { host: host === "" ? "127.0.0.1" : host, port } };
}

/**
 * Connects to an upstream.
 *
 * @throws {Error} That names it, if it does not answer within {@linkcode UPSTREAM_TIMEOUT_MS}.
 */
export function dialUpstream({ name, address }: Upstream): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Socket>();
  const where = `upstream "${name}" at ${formatHostPort(address)}`;
  const socket = net.connect({ ...address, noDelay: true, allowHalfOpen: true });
  const timer = setTimeout(() => {
    reject(new Error(`Cannot reach ${where}: no answer within ${UPSTREAM_TIMEOUT_MS} ms`));
    socket.destroy();
  }, UPSTREAM_TIMEOUT_MS);
  socket.once("connect", () => {
    clearTimeout(timer);
    resolve(socket);
  });
  // Stays for the socket's whole life: an error without a listener would end the process.
  socket.on("error", (error: Error) => {
    clearTimeout(timer);
    reject(new Error(`Cannot reach ${where}: ${error.message}`, { cause: error }));
  });
  return promise;
}

/** Options of {@linkcode attachUpstream}. */
export interface AttachUpstreamOptions {
  readonly upstream: Upstream;
  readonly numbers: HeartbeatNumbers;
  /** The server's own policy, if it has one. */
  readonly guarded?: Guarded | undefined;
}

/**
 * Pipes a tunnel to its upstream. The upstream is dialled when the hub's first bytes come, so
 * that each tunnel has a fresh connection and an idle one costs the upstream nothing.
 */
export function attachUpstream(
  open: OpenSocket,
  { upstream, numbers, guarded }: AttachUpstreamOptions,
): Tunnel {
  const gate = new UpstreamGate({
    judge: guarded === undefined ? TRUSTING_JUDGE : policyJudge(guarded, upstream.name),
    toHub: (frame) => tunnel.send(frame),
    toUpstream: (frame) => tunnel.stream.push(frame),
    onBroken: (why) => tunnel.close(`The hub broke HTTP/2: ${why}`, CloseCode.PROTOCOL_ERROR),
  });
  const tunnel: Tunnel = new Tunnel(open, {
    numbers,
    dropGoaway: false,
    inbound: gate,
    onOutbound: (head) => gate.fromUpstream(head),
  });
  void tunnel.closed.then(() => gate[Symbol.dispose]());
  tunnel.stream.once("readable", () => void join(tunnel, upstream));
  return tunnel;
}

async function join(tunnel: Tunnel, upstream: Upstream): Promise<void> {
  let socket: net.Socket;
  try {
    socket = await dialUpstream(upstream);
  } catch (error) {
    const { message } = error as Error;
    log.warn("{message}", { message });
    return tunnel.close(message, CloseCode.TRY_AGAIN_LATER);
  }
  void tunnel.closed.then(() => socket.destroy());
  socket.pipe(tunnel.stream);
  tunnel.stream.pipe(socket);
  // All that the upstream sent is on its way when the stream has finished.
  tunnel.stream.once("finish", () => tunnel.close(`Upstream "${upstream.name}" closed`));
  socket.once("close", () => tunnel.close(`Upstream "${upstream.name}" closed`));
}
