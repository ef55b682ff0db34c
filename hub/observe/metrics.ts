/**
 * `GET /metrics`: numbers of the hub in Prometheus' text format, on a port of their own.
 *
 *     ghub_build_info{version="0.1.0"} 1
 *     ghub_calls_in_flight 12
 *     ghub_tls_certificate_expiry_timestamp_seconds{file="hub.crt"} 1.8e9
 *
 * Whoever can reach the port can read it: there are no names of servers or operators in it. Names of
 * hubs are.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @module
 */
import { Counter, Gauge, Registry } from "prom-client";
import { HttpError } from "../../shared/http1/http_error.ts";
import { errorResponse, okResponse } from "../../shared/websocket/upgrade.ts";
import { formatHostPort } from "../../shared/cli/parse_host_port.ts";
import { FairShare } from "../../shared/async/fair_share.ts";
import { VERSION } from "../../shared/version.ts";
import { networkOf } from "../net/network.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import type { ListenAddress } from "../net/listen_options.ts";
import type { ClusterUsage } from "../cluster/cluster.ts";
import type { Usage } from "../limits/limits.ts";
import type { PeerUsage } from "../links/peer_port.ts";
import type { MemberState } from "../cluster/view.ts";
import { listen } from "../net/listen.ts";
import { probeResponse } from "../relay/probes.ts";
import { readHead } from "../net/read_head.ts";
import { closeQuietly, hostOf, type PeerConn, remoteAddressOf, writeAll } from "../net/peer.ts";

/** Requests at a time, shared by the addresses that ask; connections beyond are closed. */
export const MAX_REQUESTS = 16;
const TIMEOUT_MS = 5_000;

export interface MetricsOptions {
  readonly listen: ListenAddress;
  /** Whether the hub takes new calls, for `/readyz`. @default always */
  readonly isReady?: (() => boolean) | undefined;
  /** What is in use now. */
  readonly usage?: (() => Usage) | undefined;
  /** How it stands in its cluster, if it is a member of one. */
  readonly cluster?: (() => ClusterUsage) | undefined;
  /** How its links to other hubs are, or those between its workers, if it has any. */
  readonly links?: (() => PeerUsage) | undefined;
  /** How many connections each of its workers has, if it has workers. */
  readonly workerConnections?: (() => readonly number[]) | undefined;
  /** The certificate that is in use. */
  readonly certificate?: { readonly file: string; notAfter(): Date } | undefined;
  /** Whether the last reload put all parts in force; also before the first one. */
  readonly lastReloadGood?: (() => boolean) | undefined;
  /** A connection that has not asked and read its answer by then is closed. @default TIMEOUT_MS */
  readonly timeoutMs?: number;
}

/** A number of `Usage`, its name and what it says. */
const USAGE: readonly [key: keyof Usage, name: string, help: string][] = [
  ["connections", "ghub_connections", "Tunnels and connections of operators."],
  ["calls", "ghub_calls_in_flight", "Calls and raw connections that are open."],
  ["bufferedBytes", "ghub_buffered_bytes", "Bytes that wait for peers that are slow."],
  ["memoryBytes", "ghub_memory_accounted_bytes", "Memory that is accounted for."],
  ["maxMemoryBytes", "ghub_memory_limit_bytes", "Of these, what may be (--max-memory)."],
  ["shedding", "ghub_shedding", "1 while calls are refused to save memory."],
  [
    "mostCallsOfAnOperator",
    "ghub_operator_calls_in_flight_max",
    "Calls in flight of the operator that has most of them.",
  ],
  [
    "mostBufferedBytesOfAnOperator",
    "ghub_operator_buffered_bytes_max",
    "Bytes kept for the operator with most of them; counted only if bytes are limited.",
  ],
  [
    "waitingForBytes",
    "ghub_streams_slowed",
    "Streams that wait for their turn, because of a limit on bytes per second.",
  ],
];

/** The same of a hub in a cluster. */
const CLUSTER: readonly [name: string, help: string, value: (usage: ClusterUsage) => number][] = [
  [
    "ghub_cluster_member",
    "1 while the hub is a member of its cluster; 0 while it is detached, joins or leaves.",
    ({ state }) => Number(state === "member"),
  ],
  [
    "ghub_engine_away_seconds",
    "For how long the cluster's engine could not be asked.",
    ({ engineAwayS }) => engineAwayS,
  ],
  [
    "ghub_engine_round_trip_seconds",
    "How long the cluster's engine took for the last renewal of the hub's session.",
    ({ engineRoundTripS }) => engineRoundTripS,
  ],
  [
    "ghub_cluster_view_lag_seconds",
    "How long the engine's watch took to show a claim of this hub, or takes already.",
    ({ viewLagS }) => viewLagS,
  ],
  ["ghub_cluster_hubs", "Hubs of the cluster, this one too.", ({ hubs }) => hubs],
  [
    "ghub_cluster_provisional_servers",
    "Servers here whose names are not claimed yet.",
    ({ provisional }) => provisional,
  ],
];

/** Metrics that can be read; disposing of them closes the port. */
export interface Metrics extends Disposable {
  /** `host:port`. */
  readonly address: string;
}

/** @throws {Error} If the address cannot be listened on. */
export function startMetrics(options: MetricsOptions): Metrics {
  const { timeoutMs = TIMEOUT_MS, isReady = () => true } = options;
  const registry = collect(options);
  const listener = listen({ ...options.listen, alpn: [], flag: "--metrics-listen" });
  const ending = new AbortController();
  const open = new Set<PeerConn>();
  const places = new FairShare(MAX_REQUESTS);
  void acceptLoop(listener, async (conn) => {
    using place = places.take(networkOf(hostOf(remoteAddressOf(conn))));
    open.add(conn);
    const timer = setTimeout(() => closeQuietly(conn), timeoutMs);
    try {
      if (place !== undefined) await answer(conn, registry, isReady);
    } catch {
      // Whoever asked is gone, or was too slow.
    } finally {
      clearTimeout(timer);
      open.delete(conn);
      closeQuietly(conn);
    }
  }, { signal: ending.signal });
  const { hostname, port } = listener.addr as Deno.NetAddr;
  return {
    address: formatHostPort({ host: hostname, port }),
    [Symbol.dispose]() {
      ending.abort();
      for (const conn of open) closeQuietly(conn);
    },
  };
}

function collect(options: MetricsOptions): Registry {
  const { usage, cluster, links, workerConnections, certificate, lastReloadGood } = options;
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: "ghub_build_info",
    help: "Always 1; its label tells the version.",
    labelNames: ["version"],
    registers,
  }).set({ version: VERSION }, 1);
  for (const [key, name, help] of usage === undefined ? [] : USAGE) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(Number(usage?.()[key]));
      },
    });
  }
  for (const [name, help, value] of cluster === undefined ? [] : CLUSTER) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(cluster!()));
      },
    });
  }
  if (cluster !== undefined) collectState(registers, cluster);
  if (links !== undefined) collectLinks(registers, links);
  if (workerConnections !== undefined) collectWorkers(registers, workerConnections);
  if (lastReloadGood !== undefined) {
    new Gauge({
      name: "ghub_last_reload_successful",
      help: "0 if a part could not be used at the last reload, and an older one is in force.",
      registers,
      collect() {
        this.set(Number(lastReloadGood()));
      },
    });
  }
  if (certificate !== undefined) {
    const { file } = certificate;
    new Gauge({
      name: "ghub_tls_certificate_expiry_timestamp_seconds",
      help: "When the certificate that the hub shows ends, in seconds since 1970.",
      labelNames: ["file"],
      registers,
      collect() {
        this.set({ file }, certificate.notAfter().getTime() / 1000);
      },
    });
  }
  return registry;
}

const STATES: readonly MemberState[] = ["joining", "member", "detached", "leaving"];

function collectState(registers: Registry[], cluster: () => ClusterUsage): void {
  new Gauge({
    name: "ghub_cluster_state",
    help: "1 for the state of the hub in its cluster, 0 for all others.",
    labelNames: ["state"],
    registers,
    collect() {
      const now = cluster().state;
      for (const state of STATES) this.set({ state }, Number(state === now));
    },
  });
}

function collectLinks(registers: Registry[], links: () => PeerUsage): void {
  new Gauge({
    name: "ghub_links",
    help: "Links to other hubs of the cluster, or between workers, by whether they are there.",
    labelNames: ["state"],
    registers,
    collect() {
      const { up, down } = links();
      this.set({ state: "up" }, up);
      this.set({ state: "down" }, down);
    },
  });
  new Gauge({
    name: "ghub_link_round_trip_seconds",
    help: "How long the last sign of life took on the link to a hub, or to a worker.",
    labelNames: ["hub"],
    registers,
    collect() {
      this.reset();
      for (const { hub, rttMs } of links().roundTrips) this.set({ hub }, rttMs / 1000);
    },
  });
  new Counter({
    name: "ghub_forwarded_calls_total",
    help:
      "Calls that this hub forwarded to other hubs, or a worker to another one: answered by the " +
      "server, refused (nothing was delivered), of unknown outcome, or stopped by the caller or a hub.",
    labelNames: ["outcome"],
    registers,
    collect() {
      this.reset();
      for (const [outcome, calls] of Object.entries(links().forwarded)) {
        this.inc({ outcome }, calls);
      }
    },
  });
}

function collectWorkers(registers: Registry[], connections: () => readonly number[]): void {
  new Gauge({
    name: "ghub_worker_connections",
    help: "Tunnels and connections of operators at each worker.",
    labelNames: ["worker"],
    registers,
    collect() {
      for (const [at, count] of connections().entries()) this.set({ worker: at + 1 }, count);
    },
  });
}

async function answer(conn: PeerConn, registry: Registry, isReady: () => boolean): Promise<void> {
  try {
    const read = await readHead(conn);
    if (read === undefined) return;
    const probe = probeResponse(read.head, isReady());
    if (probe !== undefined) return await writeAll(conn, probe);
    const { method, target } = read.head;
    if (target.split("?", 1)[0] !== "/metrics") {
      throw new HttpError(404, "NOT_FOUND", "Metrics are at /metrics");
    }
    if (method !== "GET") {
      throw new HttpError(405, "UNIMPLEMENTED", "Metrics are read with GET", {
        headers: { Allow: "GET" },
      });
    }
    await writeAll(conn, okResponse(await registry.metrics(), registry.contentType));
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    await writeAll(conn, errorResponse(error));
  }
}
