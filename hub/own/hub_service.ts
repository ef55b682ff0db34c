/**
 * What the hub answers itself: `ghub.v1.Hub`, health and reflection; docs/protocol.md §10.2.
 *
 * It is an ordinary gRPC server at the far end of a connection in memory, so that the relay
 * sends calls to it as it sends them to a tunnel.
 *
 * @module
 */
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_CanIRequest as CanIRequest,
  ghub_v1_CanIResponse as CanIResponse,
  ghub_v1_ListHubsRequest as ListHubsRequest,
  ghub_v1_ListHubsResponse as ListHubsResponse,
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_WatchActivityRequest as WatchActivityRequest,
  ghub_v1_WhoAmIRequest as WhoAmIRequest,
  ghub_v1_WhoAmIResponse as WhoAmIResponse,
  ServiceName,
} from "../../shared/gen/types.ts";
import { serverStream, unary } from "../../shared/grpc/handlers.ts";
import { addHealth, type Health } from "../../shared/grpc/health.ts";
import { addReflection } from "../../shared/grpc/reflection.ts";
import { GrpcServer } from "../../shared/grpc_server/server.ts";
import type { ActivityFeed } from "../observe/activity_feed.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { isServerName, NAME_RULE } from "../../shared/registration/server_name.ts";
import { denied } from "../access/access_errors.ts";
import type { Permissions } from "../access/permissions.ts";
import { HUB_SERVICE } from "../relay/probes.ts";
import { MAX_OWN_CALLS } from "../limits/limits.ts";
import { MAX_WAITING_RESETS_OF_ALL } from "../peer/reset_pacer.ts";
import { clusterState, type ClusterStateView, setClusterHealth } from "./cluster_state.ts";
import { listServers, type RegistryView } from "./list_servers.ts";
import { listHubs, listOverHubs, type OverHubs, watchOverHubs } from "./over_hubs.ts";
import { checkUnread, operatorOf } from "./unread_answers.ts";

const HUB = "ghub.v1.Hub";
const SERVICES: readonly ServiceName[] = [HUB, "grpc.health.v1.Health"];

/**
 * The largest request: labels and names of servers. What is not complete waits in memory, for each
 * open call.
 */
export const MAX_OWN_REQUEST_BYTES = 64 << 10;

/** Open calls, and those whose reset waits for its turn. */
const MAX_OWN_STREAMS = MAX_OWN_CALLS + MAX_WAITING_RESETS_OF_ALL;

/** Why the answer of `CanI` is yes. */
const EVERYTHING = "Every method of every server is allowed";
const ALLOWED = "An allow rule permits it, and no deny rule forbids it";

export interface OwnServicesOptions {
  readonly registry: RegistryView;
  readonly activity: ActivityFeed;
  /**
   * Whether an operator of this name may see a server; the empty name stands for all of them.
   *
   * @default everybody sees everything
   */
  readonly sees?: (operator: string, server: string) => boolean;
  /**
   * What operators may do.
   *
   * @default everybody may do everything
   */
  readonly permissions?: Pick<Permissions, "canCall" | "mayEverything">;
  /** This hub's name in its cluster. @default it is alone */
  readonly hub?: string | undefined;
  /** Other hubs, whose servers and events are shown as well. @default this hub's own only */
  readonly overHubs?: OverHubs | undefined;
  /** Who asks is another worker of this process, for its own callers. @default false */
  readonly isForWorkers?: boolean;
  /** How the hub stands in its cluster. @default it is alone */
  readonly cluster?: ClusterStateView | undefined;
}

export interface OwnServices {
  readonly server: GrpcServer;
  readonly health: Health;
  /** What requests and answers occupy that are not complete, or wait to be read. */
  readonly heldBytes: number;
  /** To be called when the hub begins to drain: says NOT_SERVING, and ends all that watch. */
  drain(): void;
  /** Ends all connections and calls at once. */
  close(): void;
}

const ALL = { canCall: () => undefined, mayEverything: () => true };

/** Makes the hub's own gRPC server. */
export function createOwnServices(
  {
    registry,
    activity,
    cluster,
    sees = () => true,
    permissions = ALL,
    hub,
    overHubs,
    isForWorkers = false,
  }: OwnServicesOptions,
): OwnServices {
  const server = new GrpcServer({
    maxMessageBytes: MAX_OWN_REQUEST_BYTES,
    maxConcurrentStreams: MAX_OWN_STREAMS,
  });
  const { connections } = server;
  server.addService(HUB, {
    ListServers: unary(async (request: ListServersRequest, { metadata, signal }) => {
      const operator = operatorOf(metadata);
      checkUnread(operator, connections);
      const seen = (server: string) => sees(operator, server);
      const here = listServers(request, registry, { sees: seen, hub });
      const stand = cluster && { cluster: clusterState(cluster) };
      if (overHubs === undefined) return { ...here, ...stand };
      const all = { hubs: overHubs, operator, sees: seen, signal };
      return { ...await listOverHubs(request, here, all), ...stand };
    }),
    ListHubs: unary((_request: ListHubsRequest, { metadata }): ListHubsResponse => {
      const operator = operatorOf(metadata);
      if (permissions.mayEverything(operator)) {
        const stand = cluster === undefined ? {} : { cluster: clusterState(cluster) };
        return { ...listHubs(registry, overHubs), ...stand };
      }
      throw denied(`"${operator}" may not list hubs: that takes every method of every server`, "");
    }),
    WhoAmI: unary((_request: WhoAmIRequest, { metadata }): WhoAmIResponse => {
      const operator = operatorOf(metadata);
      return { operator, everything: permissions.mayEverything(operator) };
    }),
    CanI: unary(({ server = "", method = "" }: CanIRequest, { metadata }): CanIResponse => {
      if (!isServerName(server)) {
        throw new RpcError(Status.INVALID_ARGUMENT, `Bad server name: it must be ${NAME_RULE}`);
      }
      const operator = operatorOf(metadata);
      const error = permissions.canCall(operator, { server, path: method });
      if (error !== undefined) return { allowed: false, reason: error.message };
      return {
        allowed: true,
        reason: permissions.mayEverything(operator) ? EVERYTHING : ALLOWED,
      };
    }),
    WatchActivity: serverStream<WatchActivityRequest, Activity>(
      ({ servers = [], history = 0 }, { signal, metadata }) => {
        const operator = operatorOf(metadata);
        const seen = (server: string) => sees(operator, server);
        const here = activity.watch({
          signal,
          servers,
          history,
          sees: seen,
          operator,
          isForWorker: isForWorkers,
        });
        if (overHubs === undefined) return here;
        return watchOverHubs({ servers, history }, here, { hubs: overHubs, operator, signal });
      },
    ),
  });
  const health = addHealth(server);
  for (const name of [HUB, HUB_SERVICE]) health.set(name, "SERVING");
  if (cluster !== undefined) setClusterHealth(health, cluster);
  addReflection(server, SERVICES);
  return {
    server,
    health,
    get heldBytes() {
      let bytes = 0;
      for (const { heldBytes } of connections) bytes += heldBytes;
      return bytes;
    },
    drain() {
      health.close();
      activity.close();
    },
    close() {
      health.close();
      for (const connection of [...connections]) connection.close();
    },
  };
}
