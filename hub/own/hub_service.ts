/**
 * What the hub answers itself: `ghub.v1.Hub`, health and reflection; docs/protocol.md §10.2.
 *
 * It is an ordinary gRPC server on the far end of an in-memory connection, so that the relay
 * sends calls to it as it sends them to a tunnel.
 *
 * @module
 */
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { duplexPair } from "../../shared/bytes/duplex_pair.ts";
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_CanIRequest as CanIRequest,
  ghub_v1_CanIResponse as CanIResponse,
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ServerMessage,
  ghub_v1_WatchActivityRequest as WatchActivityRequest,
  ghub_v1_WhoAmIRequest as WhoAmIRequest,
  ghub_v1_WhoAmIResponse as WhoAmIResponse,
  ServiceName,
} from "../../shared/gen/types.ts";
import type { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import { adapted, hostOf, implementationOf } from "../../shared/grpc_js/implementation.ts";
import { serverStream, unary } from "../../shared/grpc/handlers.ts";
import { addHealth, type Health } from "../../shared/grpc/health.ts";
import { duration, timestamp } from "../../shared/grpc/proto_time.ts";
import { addReflection } from "../../shared/grpc/reflection.ts";
import { serviceDefinition } from "../../shared/grpc_js/service_definition.ts";
import type { ActivityFeed } from "../observe/activity_feed.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { isServerName, NAME_RULE } from "../../shared/registration/server_name.ts";
import type { Gatekeeper } from "../access/gatekeeper.ts";
import { HUB_SERVICE } from "../relay/probes.ts";
import type { Departure, Registry } from "../registry/registry.ts";
import { OPERATOR_FIELD } from "../../shared/vouchers/voucher.ts";
import type { Tunnel } from "../registry/tunnel.ts";
import { UnreadAnswers } from "./unread_answers.ts";

const HUB = "ghub.v1.Hub";
const SERVICES: readonly ServiceName[] = [HUB, "grpc.health.v1.Health"];

/**
 * The largest request: labels and names of servers. What is not complete waits in memory, for each
 * open call, and grpc-js would take 4 MiB of it.
 */
export const MAX_OWN_REQUEST_BYTES = 64 << 10;

/** Why the answer of `CanI` is yes. */
const EVERYTHING = "Every method of every server is allowed";
const ALLOWED = "An allow rule permits it, and no deny rule forbids it";

/** What the services show of the registry. */
export type RegistryView = Pick<Registry, "list" | "away" | "lastSeen" | "flaps">;

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
  readonly permissions?: Pick<Gatekeeper, "canCall" | "mayEverything">;
}

export interface OwnServices {
  readonly server: Server;
  readonly health: Health;
  /** Bytes of long answers that callers have not read. */
  readonly unreadBytes: number;
  /** A new connection to the services: our end of it, on which to speak HTTP/2 as a client. */
  connect(): Duplex;
  /** To be called when the hub begins to drain: says NOT_SERVING, and ends all that watch. */
  drain(): void;
  /** Ends all connections and calls at once. */
  close(): void;
}

const ALL = { canCall: () => undefined, mayEverything: () => true };

/** Makes the hub's own gRPC server. */
export function createOwnServices(
  { registry, activity, sees = () => true, permissions = ALL }: OwnServicesOptions,
): OwnServices {
  const server = new Server({ "grpc.max_receive_message_length": MAX_OWN_REQUEST_BYTES });
  const unread = new UnreadAnswers();
  const { ListServers: listing, ...others } = serviceDefinition(HUB);
  if (listing === undefined) throw new Error("Cannot find ListServers");
  // The handler makes the bytes itself, because it counts them.
  const asBytes = { ...listing, responseSerialize: (bytes: Buffer) => bytes };
  const list: handleUnaryCall<ListServersRequest, Buffer> = (call, respond) =>
    (adapted(unary((request: ListServersRequest, { metadata }) => {
      const operator = operatorOf(metadata);
      unread.check(operator);
      const answer = listServers(request, registry, (server) => sees(operator, server));
      const bytes = listing.responseSerialize(answer);
      unread.hold(operator, bytes.length, call);
      return bytes;
    })) as typeof list)(call, respond);
  server.addService({ ...others, ListServers: asBytes }, {
    ListServers: list,
    ...implementationOf({
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
          return activity.watch({ signal, servers, history, sees: seen, operator });
        },
      ),
    }),
  });
  const health = addHealth(hostOf(server));
  for (const name of [HUB, HUB_SERVICE]) health.set(name, "SERVING");
  addReflection(hostOf(server), SERVICES);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const ends = new Set<Duplex>();
  let closed = false;
  return {
    server,
    health,
    get unreadBytes() {
      return unread.bytes;
    },
    connect() {
      const [ours, theirs] = duplexPair();
      if (closed) {
        ours.destroy();
        return ours;
      }
      ends.add(ours);
      ours.once("close", () => {
        ends.delete(ours);
        // The far end may have read no further than its own answer.
        theirs.destroy();
      });
      injector.injectConnection(theirs);
      return ours;
    },
    drain() {
      health.close();
      activity.close();
    },
    close() {
      closed = true;
      health.close();
      injector.destroy();
      server.forceShutdown();
      for (const end of ends) end.destroy();
    },
  };
}

/** The relay writes this field, whatever a caller has sent. */
function operatorOf(metadata: CallMetadata): string {
  return String(metadata.get(OPERATOR_FIELD)[0] ?? "");
}

/** Answers `ListServers`. */
export function listServers(
  request: ListServersRequest,
  registry: RegistryView,
  sees: (server: string) => boolean = () => true,
): ListServersResponse {
  const { includeOffline = false, labels = {} } = request;
  const wanted = Object.entries(labels);
  // Of a name with several tunnels the newest counts, which comes last.
  const newest = new Map(registry.list().map((tunnel) => [tunnel.info.name, tunnel]));
  const servers = [...newest.values()].map((tunnel) => onlineServer(tunnel, registry));
  if (includeOffline) servers.push(...registry.away().map(offlineServer));
  return {
    servers: servers
      .filter(({ name }) => sees(name))
      .filter((server) => wanted.every(([key, value]) => server.labels[key] === value))
      .sort((a, b) => a.name < b.name ? -1 : 1),
    now: timestamp(Date.now()),
  };
}

type ListedServer = ServerMessage & Pick<Tunnel["info"], "name" | "labels">;

function onlineServer(tunnel: Tunnel, registry: RegistryView): ListedServer {
  const { callsInFlight, callsTotal, rttMs, lastSeenMs } = tunnel.stats();
  return {
    ...tunnel.info,
    labels: { ...tunnel.info.labels },
    state: tunnel.state === "open" ? "ONLINE" : "DRAINING",
    tunnelId: tunnel.id,
    generation: tunnel.generation,
    connectedAt: timestamp(tunnel.connectedAtMs),
    lastSeen: timestamp(lastSeenMs),
    lastCloseReason: registry.lastSeen(tunnel.info.name)?.reason,
    ...(rttMs === undefined ? {} : { rtt: duration(rttMs) }),
    callsInFlight,
    callsTotal,
    flaps: registry.flaps(tunnel.info.name),
  };
}

function offlineServer(departure: Departure): ListedServer {
  const { info, generation, lastSeenMs, reason, flaps, rttMs } = departure;
  return {
    ...info,
    labels: { ...info.labels },
    state: "OFFLINE",
    generation,
    lastSeen: timestamp(lastSeenMs),
    lastCloseReason: reason,
    ...(flaps === undefined ? {} : { flaps }),
    ...(rttMs === undefined ? {} : { rtt: duration(rttMs) }),
  };
}
