/**
 * Paths that some server somewhere takes for one that its caller may not call. Who may call every
 * method may call these too: they are then the server's affair.
 *
 * @module
 */
import { type AuthTable, type Caller, outcome, type Row } from "../support/auth_table.ts";
import { GET, STOP } from "../support/auth_world.ts";

const STOP_IN_DISGUISE = [
  `/${STOP}`,
  `${STOP}/`,
  "/fluentd.v1.Fluentd//Stop",
  `${STOP}?x=1`,
  `${STOP}#x`,
  `${STOP};x`,
  "/fluentd.v1.Fluentd/%53top",
  "/fluentd.v1.Fluentd/%2553top",
  "/fluentd.v1.Fluentd%2fStop",
  "/fluentd.v1.Fluentd/%2e/Stop",
  "/fluentd.v1.Fluentd/./Stop",
  "/fluentd.v1.Fluentd/x/../Stop",
  "/x/../fluentd.v1.Fluentd/Stop",
  "/%2e%2e/fluentd.v1.Fluentd/Stop",
  "/fluentd.v1.Fluentd/GetStatus/../Stop",
  "/fluentd.v1.Fluentd/GetStatus/%2e%2e/Stop",
  "/fluentd.v1.fluentd/stop",
  "/FLUENTD.V1.FLUENTD/STOP",
  "/fluentd.v1.Fluentd/sTop",
  `${STOP}%00`,
  `${STOP}%20`,
  `${STOP} `,
  `${STOP}\t`,
  ` ${STOP}`,
  "\\fluentd.v1.Fluentd\\Stop",
  "/fluentd.v1.Fluentd\\Stop",
  "fluentd.v1.Fluentd/Stop",
  `http://edge-1${STOP}`,
  `http://hub.test${STOP}`,
  `//edge-1${STOP}`,
  "/fluentd.v1.Fluentd/St\u00f6p",
  "*",
  "/",
  "",
  `${GET},${STOP}`,
  `${GET}\u0000${STOP}`,
  `${GET}\r\n:path: ${STOP}`,
];

/** Who may call some methods of a server, but not this one. */
const CALLED_BY: readonly [who: Caller, server: string][] = [
  ["stopper", "edge-1"],
  ["stopper", "edge-1/payments"],
  ["reader", "edge-1"],
];

const TUNNEL_SERVICE = [
  "/ghub.v1.Tunnel/Connect",
  "/ghub.v1.Tunnel/Welcome",
  "/GHUB.V1.TUNNEL/Connect",
  "/ghub.v1.tunnel/connect",
  "//ghub.v1.Tunnel/Connect",
  "/x/ghub.v1.Tunnel/Connect",
];

export function paths(table: AuthTable): Row[] {
  return STOP_IN_DISGUISE.flatMap((path) =>
    CALLED_BY.map(([who, server]): Row => ({
      what: `${who} ${server} ${JSON.stringify(path)}`,
      run: async (mark) =>
        outcome(await table.call(path, [["x-hub-server", server], table.bearer(who), mark])),
    }))
  );
}

/** Through it, anybody could open raw connections unseen: it is for nobody, not even for root. */
export function tunnelService(table: AuthTable): Row[] {
  return ["edge-1", "edge-1/payments", "secret"].flatMap((server) =>
    TUNNEL_SERVICE.map((path): Row => ({
      what: `root ${server} ${path}`,
      run: async (mark) =>
        outcome(await table.call(path, [["x-hub-server", server], table.bearer("root"), mark])),
      told: "PERMISSION_DENIED",
    }))
  );
}
