/**
 * What `systemctl status gserver` shows of a server with several hubs:
 *
 *     edge-1: tunnels at 1 of 2 hubs; wss://b.example/ws: connection refused
 *
 * @module
 */
import type { HubStanding } from "./hub_tunnels.ts";

/** The line; `undefined` if there is only one hub, whose state says all. */
export function statusLine(
  name: string,
  hubs: { readonly most: number; readonly standings: readonly HubStanding[] } | undefined,
): string | undefined {
  if (hubs === undefined || (hubs.most === 1 && hubs.standings.length <= 1)) return undefined;
  const { most, standings } = hubs;
  const serving = standings.filter(({ standing }) => standing === "serving").length;
  const missing = standings.filter(({ standing }) => standing !== "serving").map((
    { hub, standing, why },
  ) => `${hub}: ${why ?? (standing === "new" ? "dialling" : standing)}`);
  return [`${name}: tunnels at ${Math.min(serving, most)} of ${most} hubs`, ...missing].join("; ");
}
