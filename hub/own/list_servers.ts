/**
 * The answer of `ListServers`: which servers are here, and which are away; page after page.
 *
 * A page begins after a name, and names are sorted. So whoever asks for all pages gets each server that
 * stays exactly once, however many come and go meanwhile; and the hub keeps nothing between two pages.
 *
 * @module
 */
import type {
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_Server as ServerMessage,
} from "../../shared/gen/types.ts";
import { duration, timestamp } from "../../shared/grpc/proto_time.ts";
import { root } from "../../shared/grpc/root.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { encodeMessage } from "../../shared/grpc/service.ts";
import { Status } from "../../shared/grpc/status.ts";
import { parseSelector, type Selector, selects } from "../../shared/registration/selector.ts";
import type { Departure, Registry } from "../registry/registry.ts";
import type { Tunnel } from "../registry/tunnel.ts";

/** The largest answer: a quarter of what a gRPC client takes unless told otherwise. */
export const MAX_PAGE_BYTES = 1 << 20;

/** Of it, what is there in addition to servers: the time, and the next page's token. */
const OTHER_FIELDS_BYTES = 512;
/** A field's tag and length in addition to the server's own bytes. */
const FIELD_BYTES = 6;

/** What is shown of the registry. */
export type RegistryView = Pick<Registry, "tunnels" | "away" | "lastSeen" | "flaps">;

/**
 * Answers `ListServers`.
 *
 * @param how Whether the caller may see a server of this name, and this hub's name in its cluster.
 * @throws {RpcError} INVALID_ARGUMENT, if the selector cannot be read.
 */
export function listServers(
  request: ListServersRequest,
  registry: RegistryView,
  how: {
    readonly sees?: (server: string) => boolean;
    readonly hub?: string | undefined;
  } = {},
): ListServersResponse {
  const { sees = () => true, hub } = how;
  const { includeOffline = false, pageToken = "" } = request;
  const wanted = wantedBy(request);
  const known = new Map<string, Tunnel | Departure>();
  for (const tunnel of registry.tunnels()) {
    const { name } = tunnel.info;
    if (name <= pageToken) continue;
    const other = known.get(name);
    // If a name has several tunnels, the newest counts.
    if (other === undefined || other.generation < tunnel.generation) known.set(name, tunnel);
  }
  if (includeOffline) {
    for (const departure of registry.away()) {
      const { name } = departure.info;
      if (name > pageToken && !known.has(name)) known.set(name, departure);
    }
  }
  const shown = function* () {
    for (const name of [...known.keys()].sort()) {
      const one = known.get(name)!;
      if (!selects(wanted, one.info.labels) || !sees(name)) continue;
      if (!("stats" in one)) yield offlineServer(one);
      else yield { ...onlineServer(one, registry), ...(hub !== undefined && { hubs: [hub] }) };
    }
  };
  return pageOf(shown(), request);
}

/** What a request asks of a server's labels. @throws {RpcError} INVALID_ARGUMENT, if it cannot be read. */
export function wantedBy({ labels = {}, selector = "" }: ListServersRequest): Selector {
  return [...requirementsOf(labels), ...selectorOf(selector)];
}

/** As many servers as an answer holds. @param sorted By name. */
export function pageOf(
  sorted: Iterable<ListedServer>,
  { pageSize }: Pick<ListServersRequest, "pageSize">,
): ListServersResponse & { servers: ListedServer[] } {
  const maxServers = pageSize || Infinity;
  const servers: ListedServer[] = [];
  let bytes = OTHER_FIELDS_BYTES;
  let nextPageToken = "";
  for (const server of sorted) {
    bytes += encodeMessage(SERVER, server).length + FIELD_BYTES;
    const isFull = servers.length === maxServers || bytes > MAX_PAGE_BYTES;
    if (isFull && servers.length > 0) {
      nextPageToken = servers.at(-1)!.name;
      break;
    }
    servers.push(server);
  }
  return { servers, now: timestamp(Date.now()), ...(nextPageToken !== "" && { nextPageToken }) };
}

const SERVER = root.lookupType("ghub.v1.Server");

function requirementsOf(labels: Readonly<Record<string, string>>): Selector {
  return Object.entries(labels).map(([key, value]) => ({
    key,
    values: new Set([value]),
    not: false,
  }));
}

function selectorOf(text: string): Selector {
  if (text === "") return [];
  try {
    return parseSelector(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new RpcError(Status.INVALID_ARGUMENT, error.message, { cause: error });
  }
}

export type ListedServer = ServerMessage & Pick<Tunnel["info"], "name">;

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
