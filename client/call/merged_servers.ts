/**
 * The lists of several hubs as one: a server that has a tunnel at two of them is one server.
 *
 *     at a: edge-1 ONLINE, 3 calls     edge-2 OFFLINE     ─▶  edge-1 ONLINE   hubs a, b   5 calls
 *     at b: edge-1 ONLINE, 2 calls     edge-2 ONLINE          edge-2 ONLINE   hubs b
 *
 * @module
 */
import { timestampMs } from "../../shared/grpc/proto_time.ts";
import type { google_protobuf_Timestamp as Timestamp } from "../../shared/gen/types.ts";

/** What is looked at of a server in a list. */
export interface MergedServer {
  readonly name: string;
  /** The number of its state. */
  readonly state: number;
  readonly labels: Record<string, string>;
  readonly instance: string;
  readonly lastSeen?: Timestamp | null;
  callsInFlight: number;
  callsTotal: unknown;
  flaps: number;
  hubs: string[];
}

/** What one hub has told. */
export interface HubList {
  /** Its address. */
  readonly hub: string;
  readonly servers: readonly MergedServer[];
}

/** State's number → how much it tells: ONLINE, DRAINING, OFFLINE, unknown. */
const WEIGHTS: Readonly<Record<number, number>> = { 1: 3, 2: 2, 3: 1 };
const ONLINE = 1;
const OFFLINE = 3;

/** The servers of all hubs by name, and what is wrong with them. */
export interface MergedServers {
  readonly servers: MergedServer[];
  /** A sentence for each name that two machines have. */
  readonly twins: readonly string[];
}

export function mergeServers(lists: readonly HubList[]): MergedServers {
  const byName = new Map<string, { hub: string; server: MergedServer }[]>();
  for (const { hub, servers } of lists) {
    for (const server of servers) {
      const same = byName.get(server.name);
      if (same === undefined) byName.set(server.name, [{ hub, server }]);
      else same.push({ hub, server });
    }
  }
  const twins: string[] = [];
  const servers = [...byName.keys()].sort().map((name) => {
    const found = byName.get(name)!.toSorted((a, b) =>
      (WEIGHTS[b.server.state] ?? 0) - (WEIGHTS[a.server.state] ?? 0) ||
      seenMs(b.server) - seenMs(a.server)
    );
    const twin = twinsOf(name, found);
    if (twin !== undefined) twins.push(twin);
    return mergeOne(found);
  });
  return { servers, twins };
}

/** @param found The one that tells most first. */
function mergeOne(found: readonly { hub: string; server: MergedServer }[]): MergedServer {
  const merged = found[0]!.server;
  const sum = (value: (server: MergedServer) => unknown) =>
    found.reduce((all, { server }) => all + Number(value(server)), 0);
  merged.callsInFlight = sum(({ callsInFlight }) => callsInFlight);
  merged.callsTotal = sum(({ callsTotal }) => callsTotal);
  merged.flaps = sum(({ flaps }) => flaps);
  const hubs = found.flatMap(({ hub, server }) =>
    server.state === OFFLINE ? [] : server.hubs.length > 0 ? server.hubs : [hub]
  );
  merged.hubs = [...new Set(hubs)].sort();
  return merged;
}

/** A clone may hold the name at one hub, and its twin at another: no hub sees both. */
function twinsOf(
  name: string,
  found: readonly { hub: string; server: MergedServer }[],
): string | undefined {
  const online = found.filter(({ server }) => server.state === ONLINE && server.instance !== "");
  if (new Set(online.map(({ server }) => server.instance)).size < 2) return undefined;
  const hubs = online.map(({ hub }) => hub).sort().join(", ");
  return `Two machines have the name "${name}": the hubs ${hubs} have tunnels of different ones`;
}

function seenMs({ lastSeen }: MergedServer): number {
  return timestampMs(lastSeen ?? undefined) ?? 0;
}
