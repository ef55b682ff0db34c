/**
 * `hub servers --sort-by COLUMN`, and `top --sort-by COLUMN`.
 *
 * @module
 */
import type { ghub_v1_Server as ListedServer } from "../../shared/gen/types.ts";
import { durationMs, timestampMs } from "../../shared/grpc/proto_time.ts";

type Key<S = ListedServer> = (server: S) => string | number;

/** Column → what is compared; a server without it comes last. */
export const SERVER_KEYS = {
  name: ({ name = "" }) => name,
  state: ({ state = "" }) => state,
  version: ({ version = "" }) => version || "~",
  since: ({ connectedAt }) => timestampMs(connectedAt) ?? Infinity,
  "last-seen": ({ lastSeen }) => timestampMs(lastSeen) ?? Infinity,
  rtt: ({ rtt }) => durationMs(rtt) ?? Infinity,
  // The busiest first: nobody looks for the idle ones.
  calls: ({ callsTotal = 0 }) => -callsTotal,
  flaps: ({ flaps = 0 }) => -flaps,
} as const satisfies Record<string, Key>;

export type ServerColumn = keyof typeof SERVER_KEYS;

export const SERVER_COLUMNS = Object.keys(SERVER_KEYS) as ServerColumn[];

/** Sorts; servers that are alike there stay in the order of their names. */
export function sortServers<S extends ListedServer>(servers: S[], column: ServerColumn): S[] {
  return sortByKey<S>(servers, SERVER_KEYS[column]);
}

/** The same by any key. */
export function sortByKey<S>(servers: S[], key: Key<S>): S[] {
  return servers.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  });
}
