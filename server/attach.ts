/**
 * Puts this process's gRPC services on a tunnel: the hub is the HTTP/2 client in it.
 *
 * @module
 */
import type { OpenSocket } from "./dial.ts";
import type { GrpcServer } from "./grpc_server.ts";
import type { HeartbeatNumbers } from "./heartbeat.ts";
import { Tunnel } from "./tunnel.ts";

/** Options of {@linkcode attach}. */
export interface AttachOptions {
  readonly grpc: GrpcServer;
  readonly numbers: HeartbeatNumbers;
}

/** Serves on a WebSocket. To be called in the turn in which it opened. */
export function attach(open: OpenSocket, { grpc, numbers }: AttachOptions): Tunnel {
  const tunnel = new Tunnel(open, { numbers, dropGoaway: true });
  grpc.inject(tunnel.stream);
  return tunnel;
}
