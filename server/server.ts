/**
 * A server: its gRPC services, and one agent for its name and each of its upstreams.
 *
 *     server "edge-1" ─┬─ agent "edge-1"           ═ tunnel ═ hub    services of this process
 *                      └─ agent "edge-1/payments"  ═ tunnel ═ hub    pipe to 127.0.0.1:50051
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
import { attach } from "./serving/attach.ts";
import { attachUpstream } from "./serving/expose.ts";
import { createGrpcServer } from "./serving/grpc_server.ts";
import { credentialParts, watch } from "./dial/credential_parts.ts";
import type { Guard } from "./policy/guard.ts";
import type { HeartbeatNumbers } from "./tunnel/heartbeat.ts";
import type { Env } from "../shared/cli/command.ts";
import { proxyFor, targetOf } from "../shared/net/proxy.ts";
import { CHUNK_REQUEST_BYTES, SMALL_REQUEST_BYTES } from "./serving/request_limits.ts";
import { type Service, toService } from "./serving/services.ts";
import { loadTls, readProxyCa, type TlsFiles } from "./dial/tls_material.ts";
import { readToken, type TokenSource } from "./dial/token.ts";
import type { ServerTunnel } from "./tunnel/tunnel.ts";
import { tunnelService } from "./serving/tunnel_service.ts";
import type { ExposedUpstream } from "./upstream/upstream.ts";
import { dialUpstream, type UpstreamConnection } from "./upstream/upstream_dial.ts";

/** Until a hub's Welcome says otherwise. */
export const HEARTBEAT: HeartbeatNumbers = { pingIntervalMs: 5_000, deadAfterMs: 15_000 };

/** Options of {@linkcode startServer}. */
export interface ServerOptions {
  readonly name: string;
  readonly hubUri: URL;
  /** @default {} */
  readonly labels?: Readonly<Record<string, string>>;
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
  readonly onState?: (name: string, state: AgentState) => void;
}

/** A server that runs. */
export interface RunningServer extends AsyncDisposable {
  /** The first one is the server's own, the others are its upstreams'. */
  readonly agents: readonly Pick<Agent, "name" | "state" | "renew">[];
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
  const { name, hubUri, labels = {}, token = {}, tls = {}, env = {}, expose = [] } = options;
  const { heartbeat: numbers = HEARTBEAT, services = [], guard } = options;
  const proxy = proxyFor(targetOf(hubUri), { proxy: options.proxy, env });
  const reloadParts = await credentialParts({ token, tls }, () => {
    for (const agent of agents) agent.renew();
  });

  const grpc = createGrpcServer(options);
  const tunnels = new Map<string, ServerTunnel>();
  const health = addHealth(peerHost(grpc.grpc));
  const own = toService("ghub.v1.Tunnel", {
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
  for (const service of [...services, own]) {
    const { maxRequestBytes } = service;
    if (maxRequestBytes !== undefined) grpc.limits.set(service.name, maxRequestBytes);
    service.addTo(grpc.grpc);
    health.set(service.name, "SERVING");
  }
  addReflection(peerHost(grpc.grpc), [
    ...services.map((service) => service.name),
    "ghub.v1.Tunnel",
    "grpc.health.v1.Health",
  ]);

  const instance = crypto.randomUUID();
  const agentOf = (agentName: string, upstream?: ExposedUpstream) =>
    new Agent<UpstreamConnection | undefined>({
      name: agentName,
      hubUri,
      dialOptions: async () => ({
        hubUri,
        registration: { name: agentName, labels, instance, version: VERSION },
        token: await readToken(token),
        tls: await loadTls(tls),
        proxy,
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
          vouchers: guard.meet({ hubUri, server: agentName, nonce, keys }),
        };
        if (upstream !== undefined && connection !== undefined) {
          return attachUpstream(open, { upstream, connection, numbers, guarded });
        }
        const tunnel = attach(open, { grpc, numbers, guarded });
        tunnels.set(tunnel.id, tunnel);
        void tunnel.closed.then(() => tunnels.delete(tunnel.id));
        return tunnel;
      },
      onState: (state) => options.onState?.(agentName, state),
      ...(options.drainTimeoutMs !== undefined && { drainTimeoutMs: options.drainTimeoutMs }),
      ...(options.backoff !== undefined && { backoff: options.backoff }),
    });
  const agents = [agentOf(name), ...expose.map((one) => agentOf(`${name}/${one.name}`, one))];

  const watching = watch(reloadParts, options.lookMs);
  const stopping = new AbortController();
  const ended = Promise.all(agents.map((agent) => agent.run(stopping.signal)));
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
    agents,
    reloadParts,
    dialNow() {
      for (const agent of agents) agent.dialNow();
    },
    stop: () => stopped ??= stop(),
    [Symbol.asyncDispose]: () => stopped ??= stop(),
  };
}
