/**
 * Unary calls of any service of ours, as promises.
 *
 * @module
 */
import {
  Client,
  type ClientUnaryCall,
  type Metadata,
  type MethodDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { HubCredentials } from "../../shared/http2/testing/hub_credentials.ts";
import type {
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_Server as ListedServer,
  ServiceName,
} from "../../shared/gen/types.ts";
import { serviceDefinition } from "../../shared/grpc_js/service_definition.ts";
import { type Headers, toMetadata } from "./echo_client.ts";
import { PATIENCE_MS } from "./until.ts";

/** What a unary call gave. */
export interface Answer<T> {
  readonly code: number;
  readonly details: string;
  readonly response: T | undefined;
  readonly trailers: Metadata;
}

/** Calls one method on a connection of its own, and closes it. */
export async function callOnce<T>(
  address: string,
  [service, method]: readonly [service: ServiceName, method: string],
  request: object,
  { metadata = {}, timeoutMs = PATIENCE_MS }: { metadata?: Headers; timeoutMs?: number } = {},
): Promise<Answer<T>> {
  const definition = serviceDefinition(service)[method] as MethodDefinition<object, object>;
  const client = new Client(address, new HubCredentials({}), {
    "grpc.use_local_subchannel_pool": 1,
  });
  try {
    return await new Promise((resolve) => {
      let answer: [ServiceError | null, object | undefined] = [null, undefined];
      const call: ClientUnaryCall = client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        toMetadata(metadata),
        { deadline: Date.now() + timeoutMs },
        (error, response) => answer = [error, response],
      );
      call.on("status", ({ code, details, metadata: trailers }) =>
        // The callback comes in the same turn, before or after.
        queueMicrotask(() => resolve({ code, details, response: answer[1] as T, trailers })));
    });
  } finally {
    client.close();
  }
}

/**
 * The servers that a hub lists, by name.
 *
 * @param options.token Who asks. @default whoever is on this machine
 */
export async function listServers(
  address: string,
  request: ListServersRequest = {},
  { token }: { readonly token?: string } = {},
): Promise<Map<string, ListedServer>> {
  const { code, details, response } = await callOnce<{ servers: ListedServer[] }>(
    address,
    ["ghub.v1.Hub", "ListServers"],
    request,
    token === undefined ? {} : { metadata: { authorization: `Bearer ${token}` } },
  );
  if (response === undefined) throw new Error(`Cannot list servers: ${code} ${details}`);
  return new Map(response.servers.map((server) => [server.name ?? "", server]));
}
