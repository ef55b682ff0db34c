/**
 * What a person must know of a hub's cluster to read its lists: a hub that cannot ask the cluster's
 * engine shows what it knew last, and a hub that was silent is missing.
 *
 * @module
 */
import type protobuf from "protobufjs";
import type { ghub_v1_ClusterState as ClusterState } from "../../shared/gen/types.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage } from "../../shared/grpc/service.ts";

/** The fields of an answer that this file looks at. */
interface Answer {
  readonly cluster?: protobuf.Message | null;
  readonly hubsSilent?: readonly string[];
}

/** Lines without an end; none while all is well. */
export function clusterWarnings(answer: protobuf.Message): string[] {
  const { cluster, hubsSilent = [] } = answer as protobuf.Message & Answer;
  const silent = hubsSilent.map((hub) =>
    `Hub "${hub}" did not answer: of its servers the last known is shown`
  );
  if (cluster === undefined || cluster === null) return silent;
  const type = root.lookupType("ghub.v1.ClusterState");
  const line = stateLine(decodeMessage<ClusterState>(type, type.encode(cluster).finish()));
  return line === undefined ? silent : [line, ...silent];
}

function stateLine(
  { hub = "", state, reason = "", engineAway, provisional = 0 }: ClusterState,
): string | undefined {
  const why = reason === "" ? "" : ` (${reason})`;
  const alone = provisional === 0
    ? ""
    : `, and only this hub knows of ${provisional} of its servers`;
  switch (state) {
    case "JOINING":
      return `Hub "${hub}" has not joined its cluster yet${why}: it knows only its own servers`;
    case "DETACHED": {
      const forS = Number(engineAway?.seconds ?? 0);
      return `Hub "${hub}" is detached from its cluster for ${forS}s${why}: ` +
        `of other hubs it shows what it knew then${alone}`;
    }
    case "LEAVING":
      return `Hub "${hub}" is leaving its cluster`;
    default:
      return undefined;
  }
}
