/**
 * `--cluster etcd://a:2379,b:2379,c:2379/NAME`: where the engine of a cluster is, and which cluster.
 *
 * @module
 */
import { type HostPort, parseHostPort } from "../../shared/cli/parse_host_port.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { quote } from "../../shared/text/quote.ts";
import { CLUSTER_NAME } from "../cluster/keys.ts";

const SCHEME = "etcd://";
const USUAL_PORT = 2379;
/** A cluster of etcd has at most seven members. */
const MAX_MEMBERS = 9;
const HINT = "Write etcd://a:2379,b:2379,c:2379/NAME";

export interface ClusterUri {
  /** As it was given; there is no secret in it. */
  readonly text: string;
  readonly members: readonly HostPort[];
  readonly cluster: string;
}

/** @throws {UsageError} If it is none. */
export function parseClusterUri(text: string): ClusterUri {
  if (!text.startsWith(SCHEME) || text.includes("@")) {
    throw new UsageError(`${quote(text)} names no engine: etcd is the one that there is`, {
      hint: HINT,
    });
  }
  const [addresses = "", cluster = "", ...rest] = text.slice(SCHEME.length).split("/");
  if (!CLUSTER_NAME.test(cluster) || rest.length > 0) {
    throw new UsageError(`${quote(text)} has no name of a cluster at its end`, {
      hint: `${HINT}: a name has up to 64 of a-z 0-9 . _ -`,
    });
  }
  const members = addresses.split(",").map((address) =>
    parseHostPort(address, { usualPort: USUAL_PORT })
  );
  if (members.length > MAX_MEMBERS) {
    throw new UsageError(`${quote(text)} names more than ${MAX_MEMBERS} members`);
  }
  const nameless = members.find(({ host, port }) => host === "" || port === 0);
  if (nameless !== undefined) {
    throw new UsageError(`${quote(text)} has an address without a host`, { hint: HINT });
  }
  return { text, members, cluster };
}
