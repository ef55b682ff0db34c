/**
 * A server: its gRPC services, and for its name and each of its upstreams one agent per hub.
 *
 *     server "edge-1" ─┬─ agent "edge-1"           ═ tunnel ═ hub a    services of this process
 *                      ├─ agent "edge-1"           ═ tunnel ═ hub b    the same
 *                      ├─ agent "edge-1/payments"  ═ tunnel ═ hub a    pipe to 127.0.0.1:50051
 *                      └─ agent "edge-1/payments"  ═ tunnel ═ hub b    another pipe to it
 *
 * @module
 */
import { addHealth } from "../shared/grpc/health.ts";
import { peerHost } from "../shared/grpc_js/implementation.ts";
import type { ReloadPart } from "../shared/cli/reload.ts";
import { addReflection, REFLECTION_SERVICES } from "../shared/grpc/reflection.ts";
import type { BackoffOptions } from "../shared/async/backoff.ts";
import { VERSION } from "../shared/version.ts";
import { Agent, type AgentState } from "./tunnel/agent.ts";
import {
  type HubStanding,
  HubTunnels,
  type PlaceAgent,
  type PlaceAgentOptions,
} from "./tunnel/hub_tunnels.ts";
import { attach } from "./serving/attach.ts";
import { attachUpstream } from "./serving/expose.ts";
import { createGrpcServer } from "./serving/grpc_server.ts";
import { credentialParts, watch } from "./dial/credential_parts.ts";
import { findPlaces, type HubPlace, placesFor, watchPlaces } from "./dial/hub_places.ts";
import type { Guard } from "./policy/guard.ts";
import type { HeartbeatNumbers } from "./tunnel/heartbeat.ts";
import type { Env } from "../shared/cli/command.ts";
import { proxyFor, targetOf } from "../shared/net/proxy.ts";
import { CHUNK_REQUEST_BYTES, SMALL_REQUEST_BYTES } from "./serving/request_limits.ts";
import { type Service, toService } from "./serving/services.ts";
import { loadTls, readProxyCa, type TlsFiles } from "./dial/tls_material.ts";
import { readToken, type TokenSource } from "./dial/token.ts";
import { statusLine } from "./tunnel/status_line.ts";
import type { ServerTunnel } from "./tunnel/tunnel.ts";
import { tunnelService } from "./serving/tunnel_service.ts";
import type { ExposedUpstream } from "./upstream/upstream.ts";
import { dialUpstream, type UpstreamConnection } from "./upstream/upstream_dial.ts";

/** Until a hub's Welcome says otherwise. */
export const HEARTBEAT: HeartbeatNumbers = { pingIntervalMs: 5_000, deadAfterMs: 15_000 };

/** Options of {@linkcode startServer}. */
export interface ServerOptions {
  readonly name: string;
  /** One hub, or several of one cluster. */
  readonly hubUri: URL | readonly URL[];
  /** How many of them it has tunnels to. @default two, where there are two */
  readonly maxHubs?: number | undefined;
  /** @default {} */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** @default no credential */
  readonly token?: TokenSource;
  /** @default the system's authorities, no client certificate */
  readonly tls?: TlsFiles;
  /** Keys of which the hub's certificate must have one. @default any */
  readonly pins?: readonly string[];
  /** `--proxy`: the URL of a proxy, or `direct`. */
  readonly proxy?: string | undefined;
  /** PEM file of the authorities to trust for an `https:` proxy. @default the system's */
  readonly proxyCaCertFile?: string | undefined;
  /** Where proxies are looked up. @default none */
  readonly env?: Env;
  /** @default [] */
  readonly expose?: readonly ExposedUpstream[];
  /** @default HEARTBEAT */
  readonly heartbeat?: HeartbeatNumbers;
  readonly handshakeTimeoutMs?: number;
  readonly drainTimeoutMs?: number;
  readonly maxMessageBytes?: number;
  readonly backoff?: BackoffOptions;
  /** How often files of credentials are looked at. @default 5 s */
  readonly lookMs?: number;
  /** What it serves in addition to health, reflection and `ghub.v1.Tunnel`; not closed by it. @default [] */
  readonly services?: readonly Service[];
  /** The server's own policy; not closed by it. @default none */
  readonly guard?: Guard | undefined;
  /** Called when an agent enters another state; `name` is the agent's. */
  readonly onState?: (name: string, state: AgentState, at: StateAt) => void;
  /** How often a better hub that is missing is dialled, while others serve. @default BETTER_RETRY_MS */
  readonly betterRetryMs?: number;
}

/** Where an agent stands in a state. */
export interface StateAt extends HubPlace {
  /** How the whole server stands, as a line. */
  readonly status: string;
}

/** A server that runs. */
export interface RunningServer extends AsyncDisposable {
  /** For each name and each hub that is dialled; the server's own come first, then its upstreams'. */
  readonly agents: readonly PlaceAgent[];
  /** How the server's own name stands at each hub, the best first. */
  readonly hubs: { readonly most: number; readonly standings: readonly HubStanding[] };
  /** What can be reloaded while it runs. */
  readonly reloadParts: readonly ReloadPart[];
  /** Has agents dial that wait for their next try. */
  dialNow(): void;
  /** Takes no more calls, lets those in flight end, and closes. Resolves when that is done. */
  stop(): Promise<void>;
}

/**
 * Starts a server.
 *
 * A file that it needs and that is not there, or not good, is waited for like a hub that is away:
 * nobody may be near this machine when it comes.
 *
 * @throws {UsageError} If the proxy is none.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { name, labels = {}, token = {}, tls = {}, env = {}, expose = [] } = options;
  const { heartbeat: numbers = HEARTBEAT, services = [], guard } = options;
  const hubUris = [options.hubUri].flat();
  const proxyOf = (uri: URL) => proxyFor(targetOf(uri), { proxy: options.proxy, env });
  for (const uri of hubUris) proxyOf(uri);
  const reloadParts = await credentialParts({ token, tls }, () => {
    for (const one of names) one.renew();
  });

  const grpc = createGrpcServer(options);
  const tunnels = new Map<string, ServerTunnel>();
  const health = addHealth(peerHost(grpc.grpc));
  const tunnelMethods = toService("ghub.v1.Tunnel", {
    implementation: tunnelService({
      grpc,
      upstreams: expose,
      guard,
      tunnel: (id) => tunnels.get(id),
    }),
    maxRequestBytes: CHUNK_REQUEST_BYTES,
  });
  for (const name of ["grpc.health.v1.Health", ...REFLECTION_SERVICES]) {
    grpc.limits.set(name, SMALL_REQUEST_BYTES);
  }
  for (const service of [...services, tunnelMethods]) {
    const { maxRequestBytes } = service;
    if (maxRequestBytes !== undefined) grpc.limits.set(service.name, maxRequestBytes);
    service.addTo(grpc.grpc);
    health.set(service.name, "SERVING");
  }
  addReflection(peerHost(grpc.grpc), [
    ...services,
    "ghub.v1.Tunnel",
    "grpc.health.v1.Health",
  ]);

  const instance = crypto.randomUUID();
  const agentOf = (
    { agentName, upstream }: { agentName: string; upstream: ExposedUpstream | undefined },
    { place, heldHubs, ...agent }: PlaceAgentOptions,
  ) =>
    new Agent<UpstreamConnection | undefined>({
      ...agent,
      name: agentName,
      hub: place.key,
      dialOptions: async () => ({
        hubUri: place.uri,
        address: place.address,
        heldHubs: heldHubs(),
        registration: { name: agentName, labels, instance, version: VERSION },
        token: await readToken(token),
        tls: await loadTls(tls),
        proxy: proxyOf(place.uri),
        proxyCa: await readProxyCa(options.proxyCaCertFile),
        nonce: guard?.newNonce(),
        pins: options.pins,
        ...(options.handshakeTimeoutMs !== undefined && { timeoutMs: options.handshakeTimeoutMs }),
      }),
      prepare: upstream && ((signal) => dialUpstream(upstream, { signal })),
      unprepare: (connection) => connection?.socket.destroy(),
      attach(open, connection) {
        const { nonce = "", keys } = open;
        const guarded = guard && {
          guard,
          vouchers: guard.meet({
            hubUri: place.uri,
            cluster: hubUris,
            server: agentName,
            nonce,
            keys,
          }),
        };
        if (upstream !== undefined && connection !== undefined) {
          return attachUpstream(open, { upstream, connection, numbers, guarded });
        }
        const tunnel = attach(open, { grpc, numbers, guarded });
        tunnels.set(tunnel.id, tunnel);
        void tunnel.closed.then(() => tunnels.delete(tunnel.id));
        return tunnel;
      },
      ...(options.drainTimeoutMs !== undefined && { drainTimeoutMs: options.drainTimeoutMs }),
      ...(options.backoff !== undefined && { backoff: options.backoff }),
    });
  const tunnelsOf = (agentName: string, upstream?: ExposedUpstream) =>
    new HubTunnels({
      name: agentName,
      rankBy: name,
      makeAgent: (given) => agentOf({ agentName, upstream }, given),
      onState: (place, state) => {
        const status = statusLine(name, own) ?? `${agentName}: ${state.state}`;
        options.onState?.(agentName, state, { ...place, status });
      },
      ...(options.betterRetryMs !== undefined && { betterRetryMs: options.betterRetryMs }),
    });
  const own = tunnelsOf(name);
  const names = [own, ...expose.map((one) => tunnelsOf(`${name}/${one.name}`, one))];

  const watching = watch(reloadParts, options.lookMs);
  const stopping = new AbortController();
  const update = (found: readonly HubPlace[]) => {
    const { places, most } = placesFor(found, options.maxHubs);
    for (const one of names) one.update(places, most);
  };
  const finding = {
    isProxied: (uri: URL) => proxyOf(uri) !== undefined,
    signal: stopping.signal,
  };
  const run = async () => {
    const known = await findPlaces(hubUris, finding);
    update(known);
    await Promise.all([
      watchPlaces(hubUris, { ...finding, known, onChange: update }),
      ...names.map((one) => one.run(stopping.signal)),
    ]);
  };
  const ended = run();
  const stop = async () => {
    watching[Symbol.dispose]();
    stopping.abort();
    health.close();
    await ended;
    health[Symbol.dispose]();
    grpc[Symbol.dispose]();
  };
  let stopped: Promise<void> | undefined;
  return {
    get agents() {
      return names.flatMap(({ agents }) => agents);
    },
    hubs: own,
    reloadParts,
    dialNow() {
      for (const one of names) one.dialNow();
    },
    stop: () => stopped ??= stop(),
    [Symbol.asyncDispose]: () => stopped ??= stop(),
  };
}
