/**
 * What a gRPC service is to a server that serves it.
 *
 * @module
 */
import type { Server, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { ServiceName } from "../shared/gen/types.ts";
import { serviceDefinition } from "../shared/grpc/service.ts";

/** A service that is ready to be served. */
export interface Service {
  readonly name: ServiceName;
  addTo(server: Server): void;
  /** To be called, by who made it, when the server has stopped. */
  close?(): Promise<void>;
}

/** Handlers as a service. */
export function toService(
  name: ServiceName,
  { implementation, close }: {
    readonly implementation: UntypedServiceImplementation;
    close?(): Promise<void>;
  },
): Service {
  return {
    name,
    addTo: (server) => server.addService(serviceDefinition(name), implementation),
    ...(close !== undefined && { close }),
  };
}
