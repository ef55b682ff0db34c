/**
 * Where a call is to go, as the limits see it: how full the server is, and who has filled it.
 *
 * @module
 */
import type { CallPlace } from "../limits/limits.ts";
import type { OpenTunnel } from "../tunnels/open_tunnel.ts";
import type { ServerName } from "../registry/tunnel.ts";

/** @param tunnel The server's open one; a server that is away has none, and is not full. */
export function callPlace(
  server: ServerName,
  tunnel: OpenTunnel | undefined,
  operator: string,
): CallPlace {
  if (tunnel === undefined) return { server, callsAtServer: 0 };
  const { side: { connection }, resets } = tunnel;
  return {
    server,
    callsAtServer: connection.streamCount,
    serverTakes: connection.maxRequests,
    ending: resets.waitingOf(operator),
  };
}
