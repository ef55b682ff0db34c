/**
 * Puts this process's gRPC services on a tunnel: the hub is the HTTP/2 client in it.
 *
 * @module
 */
import type { OpenSocket } from "../dial/dial.ts";
import type { TunnelGrpcServer } from "./grpc_server.ts";
import type { HeartbeatNumbers } from "../tunnel/heartbeat.ts";
import { tunnelOrigin } from "./origin.ts";
import type { Guarded } from "../policy/guard.ts";
import { ServerTunnel } from "../tunnel/tunnel.ts";

/** Options of {@linkcode attach}. */
export interface AttachOptions {
  readonly grpc: TunnelGrpcServer;
  readonly numbers: HeartbeatNumbers;
  /** The server's own policy, if it has one. */
  readonly guarded?: Guarded | undefined;
}

/** Serves on a WebSocket. To be called in the turn in which it opened. */
export function attach(open: OpenSocket, { grpc, numbers, guarded }: AttachOptions): ServerTunnel {
  const tunnel = new ServerTunnel(open, { numbers, dropGoaway: true, vouchers: guarded?.vouchers });
  grpc.inject(tunnel.stream, tunnelOrigin(guarded));
  return tunnel;
}
