/**
 * How this hub stands in its cluster, as its own services tell it: in the answer of `ListServers`, and as
 * the health of {@linkcode CLUSTER_HEALTH}.
 *
 * @module
 */
import type { ghub_v1_ClusterState as ClusterStateMessage } from "../../shared/gen/types.ts";
import { duration } from "../../shared/grpc/proto_time.ts";
import type { Health } from "../../shared/grpc/health.ts";
import type { ClusterUsage } from "../cluster/cluster.ts";

/**
 * What `grpc.health.v1.Health` is asked for: SERVING while the hub is a member. The hub itself is SERVING
 * all the time, because calls go on while the engine is away.
 */
export const CLUSTER_HEALTH = "ghub.v1.Cluster";

/** What is shown of the cluster. `Cluster` fits. */
export interface ClusterStateView {
  readonly hub: string;
  readonly usage: ClusterUsage;
}

const STATES = {
  joining: "JOINING",
  member: "MEMBER",
  detached: "DETACHED",
  leaving: "LEAVING",
} as const;

/** For the answer of `ListServers`. */
export function clusterState({ hub, usage }: ClusterStateView): ClusterStateMessage {
  const { state, engineAwayS, provisional, fault } = usage;
  return {
    hub,
    state: STATES[state],
    engineAway: duration(engineAwayS * 1000),
    reason: fault,
    provisional,
  };
}

/** Sets the health, to be called once a second. */
export function setClusterHealth(health: Health, { usage }: ClusterStateView): void {
  health.set(CLUSTER_HEALTH, usage.state === "member" ? "SERVING" : "NOT_SERVING");
}
