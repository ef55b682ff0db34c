/**
 * The cluster of a hub: each member of etcd, the records of hubs, and whether those are reachable.
 *
 * @module
 */
import {
  formatHostPort,
  type HostPort,
  parseHostPort,
} from "../../../shared/cli/parse_host_port.ts";
import type { Check, Finding } from "../../../shared/doctor/check.ts";
import { openTcp } from "../../../shared/doctor/open.ts";
import { ClusterKeys } from "../../cluster/keys.ts";
import { decodeHub } from "../../cluster/records.ts";
import type { HubRecord } from "../../cluster/view.ts";
import { DEFAULT_PEER_PORT } from "../../links/peer_dial.ts";
import type { ExaminedHub } from "./examined_hub.ts";

/** More hubs are not dialled. */
const MAX_PEERS = 64;

/** A member that is slow is to be told of as slow, not as away. */
const PATIENT = { callMs: 5_000, limitMs: 10_000 };

/** None without `--cluster`; only with it what speaks to etcd is loaded. */
export async function clusterChecks(hub: ExaminedHub): Promise<Check[]> {
  const { cluster: uri, clusterCaFile, clusterCertFile, clusterKeyFile } = hub.values;
  if (uri === undefined) return [];
  const { EtcdEngine } = await import("../../engine/etcd_engine.ts");
  const files = { caFile: clusterCaFile, certFile: clusterCertFile, keyFile: clusterKeyFile };
  const tls = clusterCaFile === undefined && clusterCertFile === undefined ? undefined : files;
  const keys = new ClusterKeys(uri.cluster);
  let records: readonly HubRecord[] | undefined;

  const ask = async (member: HostPort): Promise<Finding> => {
    await using engine = new EtcdEngine({ members: [member], tls, ...PATIENT });
    const { revision } = await engine.read(keys.hubs);
    // Again on the connection that stands: how long etcd itself takes.
    const start = performance.now();
    const { entries } = await engine.read(keys.hubs);
    const ms = performance.now() - start;
    records ??= entries.flatMap(({ key, value }) => {
      const record = decodeHub(key.slice(keys.hubs.length), value);
      return record === undefined ? [] : [record];
    });
    const how = tls === undefined ? "without TLS" : "with TLS";
    return {
      text: `answers ${how} at revision ${revision}, a round trip takes ${ms.toFixed(1)} ms`,
    };
  };
  return [
    ...uri.members.map((member): Check => ({
      name: `etcd ${formatHostPort(member)}`,
      run: () => ask(member),
      remedy: remedyFor,
    })),
    { name: "cluster", run: () => recordsFinding(hub, records) },
    { name: "peers", run: () => peersFinding(hub, records) },
  ];
}

function remedyFor(error: unknown): string {
  return /no leader/.test(messageOf(error))
    ? "Start the other members: etcd needs more than half of them"
    : "Does that member run, and do --cluster and the --cluster-… files fit it?";
}

function nameOf({ values }: ExaminedHub): string {
  return values.hubName ?? Deno.hostname();
}

async function recordsFinding(
  hub: ExaminedHub,
  records: readonly HubRecord[] | undefined,
): Promise<Finding | undefined> {
  if (records === undefined) return undefined;
  const name = nameOf(hub);
  const own = records.filter((record) => record.name === name);
  const text = records.length === 0
    ? "there is no hub in it"
    : `hubs: ${
      records.map(({ name, state, version }) => `${name} (${state}, ${version})`).join(", ")
    }`;
  const isRunning = await hub.state.isRunning.catch(() => undefined);
  if (own.length > 1) {
    const remedy = "Give each hub a name of its own: --hub-name";
    return { level: "warn", text: `${text}; ${own.length} hubs have the name ${name}`, remedy };
  }
  if (isRunning === true && own.length === 0) {
    return {
      level: "fail",
      text: `${text}; the hub that runs here has no record as ${name}`,
      remedy: "Is it started with this --cluster and --hub-name? Its log says why it is no member",
    };
  }
  if (isRunning === false && own.length > 0) {
    return {
      level: "warn",
      text: `${text}; no hub runs here, and yet ${name} is one of them`,
      remedy: "Another machine has this name, or the hub ended moments ago",
    };
  }
  return { text };
}

/** By TCP: a hub that is dialled further writes into its log that somebody has proven nothing. */
async function peersFinding(
  hub: ExaminedHub,
  records: readonly HubRecord[] | undefined,
): Promise<Finding | undefined> {
  const { signal } = hub;
  const own = nameOf(hub);
  const others = (records ?? [])
    .filter(({ name, peerAddress }) => name !== own && peerAddress !== "")
    .slice(0, MAX_PEERS);
  if (others.length === 0) return undefined;
  const found = await Promise.all(others.map(async ({ name, peerAddress }) => {
    const start = performance.now();
    try {
      const address = parseHostPort(peerAddress, { usualPort: DEFAULT_PEER_PORT });
      (await openTcp({ address, proxy: undefined, tls: undefined, alpn: "", signal })).destroy();
      return { isGood: true, text: `${name} in ${(performance.now() - start).toFixed(1)} ms` };
    } catch (error) {
      return { isGood: false, text: `${name} at ${peerAddress} does not: ${messageOf(error)}` };
    }
  }));
  const text = `answer: ${found.map((one) => one.text).join("; ")}`;
  if (found.every(({ isGood }) => isGood)) return { text };
  return {
    level: "fail",
    text,
    remedy: "Let hubs reach each other's --peer-address, or give them the right one",
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
