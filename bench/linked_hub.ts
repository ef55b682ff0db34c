/**
 * A hub with a peer port whose view of the cluster is fixed: what forwarding costs, without a registry.
 *
 *     deno run -A bench/linked_hub.ts NAME                  a hub that others dial
 *     deno run -A bench/linked_hub.ts NAME SERVER PEER      one that forwards calls for SERVER to PEER
 *
 * Prints `hub ready tunnel=… call=… peer=…`.
 *
 * @module
 */
import { startHub } from "../hub/hub.ts";
import type { ClusterView, HubRecord } from "../hub/cluster/view.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };
const SECRET = "a secret that is good for benches only";

const [name = "", server = "", peerAddress = ""] = Deno.args;
const other: HubRecord = {
  session: "other",
  name: "other",
  peerAddress,
  version: "",
  protocol: 1,
  state: "open",
  sinceMs: 0,
  fingerprints: {},
};
const place = {
  hub: other,
  tunnel: "bench",
  generation: 1,
  info: { name: server, labels: {}, instance: "", version: "", remoteAddress: "" },
  sinceMs: 0,
};
const view: ClusterView = {
  state: "member",
  session: peerAddress === "" ? "other" : "first",
  hubs: () => peerAddress === "" ? [] : [other],
  placesOf: (asked) => peerAddress !== "" && asked === server ? [place] : [],
  names: () => peerAddress === "" ? [] : [server],
  departureOf: () => undefined,
  departures: () => [],
  onChange: () => ({ [Symbol.dispose]() {} }),
};
const hub = await startHub({
  tunnelListen: ANYWHERE,
  callListen: ANYWHERE,
  peers: { listen: ANYWHERE, secret: SECRET, name, view },
});
console.log(
  `hub ready tunnel=${hub.tunnelAddress} call=${hub.callAddress} peer=${hub.peerAddress}`,
);
