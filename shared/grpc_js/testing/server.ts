/**
 * A grpc-js server on a free port of the loopback and a client of it, for unit tests.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import type { ServiceName } from "../../gen/types.ts";
import { serviceDefinition } from "../service_definition.ts";

export interface TestServer extends AsyncDisposable {
  readonly client: Client;
}

/** Starts a server of what `add` adds to it. Disposing waits for the calls under way. */
export async function testServer(add: (server: Server) => void): Promise<TestServer> {
  const server = new Server();
  add(server);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      "127.0.0.1:0",
      ServerCredentials.createInsecure(),
      (error, port) => error ? reject(error) : resolve(port),
    )
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  return {
    client,
    [Symbol.asyncDispose]: () => {
      client.close();
      return new Promise((resolve) => server.tryShutdown(() => resolve()));
    },
  };
}

/** The first three arguments of `client.make…Request`. */
export type Callable = readonly [
  path: string,
  serialize: (value: object) => Buffer,
  deserialize: (bytes: Buffer) => object,
];

/** A method, for `client.make…Request`. */
export function callable(service: ServiceName, method: string): Callable {
  const definition = serviceDefinition(service)[method];
  if (definition === undefined) throw new Error(`Unknown method ${service}/${method}`);
  return [definition.path, definition.requestSerialize, definition.responseDeserialize];
}
