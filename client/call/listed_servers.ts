/**
 * The servers that the hub knows, for a command that is meant for several of them.
 *
 * @module
 */
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import type {
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ListedServer,
} from "../../shared/gen/types.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, methodOf } from "../../shared/grpc/service.ts";
import { messageTypes } from "./call.ts";
import { CallFailedError } from "./failure.ts";
import type { CallRoute } from "./route.ts";
import { attemptServerList } from "./server_list.ts";

/** Asking takes no longer. */
const LIST_TIMEOUT_MS = 10_000;

/**
 * The servers that are selected, also those that are away.
 *
 * @param route To the hub; what it says of a server does not count.
 * @param selector Empty for all servers.
 * @throws {CallFailedError} If the hub does not say.
 */
export async function listedServers(route: CallRoute, selector: string): Promise<ListedServer[]> {
  const method = methodOf(root, "ghub.v1.Hub/ListServers")!;
  const { request, response } = messageTypes(method);
  let servers: ListedServer[] = [];
  const attempt = await attemptServerList({
    ...route,
    method,
    requests: [request.create({ includeOffline: true, selector })],
    server: undefined,
    raw: false,
    waitForServerMs: 0,
    deadline: Date.now() + LIST_TIMEOUT_MS,
  }, (message) => {
    const bytes = response.encode(message).finish();
    ({ servers = [] } = decodeMessage<ListServersResponse>(response, bytes));
    return Promise.resolve();
  });
  const { error, connected, refused } = attempt;
  if (error === undefined) return servers;
  throw new CallFailedError({
    title: "hub.servers",
    server: undefined,
    address: formatHostPort(route.address),
    method,
    error,
    connected,
    refused,
    secure: route.tls !== undefined,
    hasToken: route.token !== undefined,
  });
}
