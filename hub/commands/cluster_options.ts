/**
 * Options of `ghub serve` for a hub that is a member of a cluster, and what they mean.
 *
 * @module
 */
import type { Options, OptionValues } from "../../shared/cli/option.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import type { ClusterSetup } from "../cluster/setup.ts";
import { parseClusterUri } from "./cluster_uri.ts";

/** The heading below which `--help` shows them. */
export const CLUSTER_GROUP = "Cluster";

/** A name that people read, and that stands in records and messages. */
const HUB_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export const clusterOptions = {
  cluster: {
    flag: "--cluster",
    value: "CLUSTER",
    parse: parseClusterUri,
    show: ({ text }: { readonly text: string }) => text,
    help: "Makes this hub one of several that share an etcd: etcd://a:2379,b:2379,c:2379/NAME",
    group: CLUSTER_GROUP,
  },
  clusterCaFile: {
    flag: "--cluster-ca-file",
    value: "FILE",
    help: "Asks etcd with TLS, and trusts these authorities",
    group: CLUSTER_GROUP,
    complete: "file",
  },
  clusterCertFile: {
    flag: "--cluster-cert-file",
    value: "FILE",
    help: "The certificate that this hub shows etcd, as PEM",
    group: CLUSTER_GROUP,
    complete: "file",
  },
  clusterKeyFile: {
    flag: "--cluster-key-file",
    value: "FILE",
    help: "The private key of that certificate, as PEM",
    group: CLUSTER_GROUP,
    complete: "file",
  },
  hubName: {
    flag: "--hub-name",
    value: "HUB",
    parse: parseHubName,
    defaultText: "the machine's name",
    help: "What other hubs and people call this hub",
    group: CLUSTER_GROUP,
  },
} as const satisfies Options;

/**
 * The cluster that the options name, if any. Only then is what speaks to etcd loaded.
 *
 * @throws {UsageError} If they contradict each other.
 */
export async function clusterSetup(
  values: OptionValues<typeof clusterOptions>,
  machine: () => string = Deno.hostname,
): Promise<ClusterSetup | undefined> {
  const { cluster: uri, clusterCaFile, clusterCertFile, clusterKeyFile, hubName } = values;
  const files = { caFile: clusterCaFile, certFile: clusterCertFile, keyFile: clusterKeyFile };
  if (uri === undefined) {
    const given = Object.entries({
      "--cluster-ca-file": clusterCaFile,
      "--cluster-cert-file": clusterCertFile,
      "--cluster-key-file": clusterKeyFile,
    }).find(([, value]) => value !== undefined);
    if (given === undefined) return undefined;
    throw new UsageError(`${given[0]} does nothing without --cluster`);
  }
  if ((clusterCertFile === undefined) !== (clusterKeyFile === undefined)) {
    throw new UsageError("--cluster-cert-file and --cluster-key-file belong together: give both");
  }
  for (const path of [clusterCaFile, clusterCertFile, clusterKeyFile]) {
    if (path !== undefined) mustRead(path);
  }
  const tls = clusterCaFile === undefined && clusterCertFile === undefined ? undefined : files;
  const { EtcdEngine } = await import("../engine/etcd_engine.ts");
  const { etcdFilesPart } = await import("../engine/etcd_files.ts");
  return {
    cluster: uri.cluster,
    hub: hubName ?? machine(),
    reloadPart: tls && etcdFilesPart(tls),
    open: () => new EtcdEngine({ members: uri.members, tls }),
  };
}

/** They are read again at each connection; but a name that is wrong must not be found out then. */
function mustRead(path: string): void {
  try {
    Deno.readFileSync(path);
  } catch (cause) {
    throw new Error(`Cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

function parseHubName(text: string): string {
  if (HUB_NAME.test(text)) return text;
  throw new UsageError(`"${text}" is not a name of a hub`, {
    hint: "A name has up to 128 of A-Z a-z 0-9 . _ -",
  });
}
