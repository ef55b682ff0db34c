/**
 * The servers that the hub knows, for a command that is meant for several of them.
 *
 * @module
 */
import type {
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ListedServer,
} from "../../shared/gen/types.ts";
import { ask } from "./ask.ts";
import { askedHub } from "./asked_hub.ts";
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
  const { method, error, connected, refused, hub, missed, answer } = await ask<ListServersResponse>(
    {
      ...route,
      server: undefined,
      raw: false,
      waitForServerMs: 0,
      deadline: Date.now() + LIST_TIMEOUT_MS,
    },
    {
      method: "ghub.v1.Hub/ListServers",
      fields: { includeOffline: true, selector },
      attempt: attemptServerList,
    },
  );
  if (error === undefined) return answer.servers ?? [];
  throw new CallFailedError({
    ...askedHub(route, hub),
    title: "hub.servers",
    server: undefined,
    missed,
    method,
    error,
    connected,
    refused,
  });
}
