/**
 * What a gRPC service is to a server that serves it.
 *
 * @module
 */
import type { Server } from "@grpc/grpc-js";
import type { ServiceName } from "../../shared/gen/types.ts";
import type { FileDescriptor } from "../../shared/grpc/file_descriptors.ts";
import type { Handlers } from "../../shared/grpc/handlers.ts";
import { peerHost } from "../../shared/grpc_js/implementation.ts";

/** A service that is ready to be served. */
export interface Service {
  readonly name: string;
  /** What reflection hands out of a service that is not ours. @default nothing */
  readonly files?: ReadonlyMap<string, FileDescriptor>;
  /** The largest request, where it is less than the server's. */
  readonly maxRequestBytes?: number;
  addTo(server: Server): void;
  /** To be called, by who made it, when the server has stopped. */
  close?(): Promise<void>;
}

/** Handlers as a service. */
export function toService(
  name: ServiceName,
  { implementation, maxRequestBytes, close }: {
    readonly implementation: Handlers;
    readonly maxRequestBytes?: number;
    close?(): Promise<void>;
  },
): Service {
  return {
    name,
    ...(maxRequestBytes !== undefined && { maxRequestBytes }),
    addTo: (server) => peerHost(server).addService(name, implementation),
    ...(close !== undefined && { close }),
  };
}
