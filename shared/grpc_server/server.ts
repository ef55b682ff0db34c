/**
 * A small gRPC server on HTTP/2 of our own, without I/O: whoever has a connection moves its bytes.
 *
 *     bytes ──receive()──▶ ServedConnection ─▶ ServerCall ─▶ handler
 *     bytes ◀──take()───── ServedConnection ◀─ ServerCall ◀─ handler
 *
 * It promises its handlers what `shared/grpc/handlers.ts` says, and its owner:
 * - Nothing that a caller does throws, or holds more than a window and a message for each open call;
 *   what is held is counted: `ServedConnection.heldBytes`.
 * - A call that is no gRPC is told so by HTTP: 405, 415. A method that there is not is `UNIMPLEMENTED`.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 * @module
 */
import type protobuf from "protobufjs";
import type { ServiceName } from "../gen/types.ts";
import type { Handlers, ServiceHost } from "../grpc/handlers.ts";
import { root } from "../grpc/root.ts";
import { methodPath } from "../grpc/service.ts";
import { ServedConnection, type ServedConnectionOptions } from "./served_connection.ts";
import type { ServedMethod } from "./server_call.ts";

/** Bounds of a server. */
export interface GrpcServerOptions {
  /** The largest request, packed or not. @default {4 MiB} */
  readonly maxMessageBytes?: number;
  /** Calls on one connection at a time. @default {1000} */
  readonly maxConcurrentStreams?: number;
}

const DEFAULTS = { maxMessageBytes: 4 << 20, maxConcurrentStreams: 1000 };

/** A gRPC server on HTTP/2 without I/O: it makes a connection for bytes that its owner moves. */
export class GrpcServer implements ServiceHost {
  readonly #options: Required<GrpcServerOptions>;
  readonly #methods = new Map<string, ServedMethod>();
  readonly #connections = new Set<ServedConnection>();

  constructor(options: GrpcServerOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Those that go on. */
  get connections(): ReadonlySet<ServedConnection> {
    return this.#connections;
  }

  addService(name: ServiceName, handlers: Handlers): void {
    const { methods } = root.lookupService(name);
    for (const [method, handler] of Object.entries(handlers)) {
      const described = methods[method]?.resolve() as protobuf.Method | undefined;
      const { resolvedRequestType: request, resolvedResponseType: response } = described ?? {};
      if (described === undefined || !request || !response) {
        throw new Error(`Cannot serve ${name}/${method}: there is no such method`);
      }
      const path = methodPath(described);
      this.#methods.set(path, { path, handler, request, response });
    }
  }

  /** Serves on a connection whose bytes the owner moves. */
  connect(options: Pick<ServedConnectionOptions, "peer" | "onOutput">): ServedConnection {
    const served = new ServedConnection({
      ...this.#options,
      ...options,
      method: (path) => this.#methods.get(path),
      onClosed: () => this.#connections.delete(served),
    });
    this.#connections.add(served);
    served.start();
    return served;
  }
}
