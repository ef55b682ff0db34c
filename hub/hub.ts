/**
 * A hub: two listeners, and between them registry and director.
 *
 *     servers ─▶ TunnelListener ─▶ Registry ◀─ director ◀─ CallListener ◀─ operators
 *                                     │
 *                                activity, audit
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { ReloadPart } from "../shared/cli/reload.ts";
import { untilNone } from "../shared/async/until_none.ts";
import { duration } from "../shared/grpc/proto_time.ts";
import { VERSION } from "../shared/version.ts";
import { acceptLoop } from "./net/accept_loop.ts";
import { dialledAddress, shownAddress, wildcardOf } from "./net/shown_address.ts";
import { ActivityFeed } from "./observe/activity_feed.ts";
import { openAudit } from "./audit/mod.ts";
import type { Audit } from "./audit/record.ts";
import type { Auth, Identity } from "./auth/identity.ts";
import { openAuth } from "./auth/mod.ts";
import { Cluster } from "./cluster/cluster.ts";
import { SharedFiles } from "./cluster/shared_files.ts";
import { aloneClaims } from "./cluster/setup.ts";
import type { Claims } from "./cluster/view.ts";
import { CallListener, MAX_CALLERS } from "./calls/call_listener.ts";
import { Deadlines } from "./relay/deadlines.ts";
import { type Access, createAccess } from "./access/access.ts";
import type { HubProgramOptions, RunningHub } from "./hub_options.ts";
import type { TlsIdentity } from "./net/listen_options.ts";
import { EventLog } from "./observe/event_log.ts";
import { KnownServers, type ServerMemory } from "./registry/known_servers.ts";
import { Limits, type Load, type Usage } from "./limits/limits.ts";
import { type HubListener, listen } from "./net/listen.ts";
import { MAX_TLS_HANDSHAKES, type TakePlace } from "./net/tls_listener.ts";
import { ConnectionPlaces } from "./limits/open_files.ts";
import type { OpenTunnel } from "./tunnels/open_tunnel.ts";
import { OwnTarget } from "./own/own_target.ts";
import { setClusterHealth } from "./own/cluster_state.ts";
import { createOwnServices } from "./own/hub_service.ts";
import { Registry } from "./registry/registry.ts";
import type { ServerInfo, ServerName } from "./registry/tunnel.ts";
import type { RelayContext } from "./relay/caller_connection.ts";
import { type RefusedCallCount, RefusedCalls } from "./limits/refused_calls.ts";
import type { Joint } from "./joint/joint.ts";
import { lockFiles } from "./locked_files.ts";
import { reloadParts } from "./reload_parts.ts";
import { MAX_HANDSHAKES, type RefusedServer, TunnelListener } from "./tunnels/tunnel_listener.ts";
import { LOOK_MS, TunnelKeepalive } from "./tunnels/keepalive.ts";
import { Vouchers } from "./access/vouchers.ts";
import { welcome } from "./tunnels/welcome.ts";
import { TUNNEL_PORT, type TunnelPortOptions } from "./tunnels/tunnel_port_options.ts";
import { CallRouter } from "./access/call_router.ts";
import { Directory } from "./cluster/directory.ts";
import { PEER_ALPN } from "./links/peer_dial.ts";
import { peerCredentials, PeerPort, type PeerUsage, type PeerWay } from "./links/peer_port.ts";
import { TlsWay } from "./links/tls_way.ts";
import { PeerRouter } from "./links/peer_router.ts";

/** How often everything but tunnels is looked at that has no event of its own. */
const SWEEP_MS = 1_000;

/**
 * Starts a hub.
 *
 * @param joint What a worker has in common with the others. @default it is alone
 * @throws {Error} If an address cannot be listened on, or the state folder is not safe.
 */
export async function startHub(
  options: HubProgramOptions,
  joint?: Joint,
): Promise<RunningHub> {
  await using stack = new AsyncDisposableStack();
  const locks = stack.use(options.worker === undefined ? await lockFiles(options) : NO_LOCKS);
  let hub: Hub | undefined = undefined;
  const ownerOf = (name: string) => hub?.ownerOf(name);
  const auth = stack.adopt(openAuth({ ...options, ownerOf, joint }), close);
  const vouchers = Vouchers.open(options.stateDir, joint?.voucherKeys);
  const audit = stack.use(joint?.audit ?? openAudit(options.auditLog, options.audit));
  const { tunnelListen, callListen, tunnelTls, callTls } = options;
  const places = new ConnectionPlaces(options.openFiles ?? Infinity, {
    maxCallers: MAX_CALLERS,
    maxHandshakes: MAX_HANDSHAKES,
    maxTlsHandshakes: MAX_TLS_HANDSHAKES,
  }, joint?.makePlaces);
  const takePlace = (network: string) => places.tlsHandshake(network);
  const tunnelPort = { ...tunnelListen, tls: tunnelTls, alpn: ["http/1.1"], takePlace };
  const tunnels = stack.adopt(listen({ ...tunnelPort, flag: "--tunnel-listen" }), close);
  const callPort = { ...callListen, tls: callTls, alpn: ["h2"], takePlace };
  const calls = stack.adopt(listen({ ...callPort, flag: "--call-listen" }), close);
  const peers = await openPeers(options, { takePlace, stack });
  hub = new Hub(options, { auth, audit, vouchers, places, tunnels, calls, locks, peers, joint });
  stack.move();
  return hub;
}

const close = (part: { close(): void }) => part.close();

/** Of a worker: the thread that has started it holds them. */
const NO_LOCKS: Disposable = { [Symbol.dispose]() {} };

/** The port for other hubs, and what proves this one to them. */
async function openPeers(
  { peers, worker }: HubProgramOptions,
  { takePlace, stack }: { readonly takePlace: TakePlace; readonly stack: AsyncDisposableStack },
): Promise<Peers | undefined> {
  if (worker !== undefined) {
    const { way } = worker;
    return { listener: stack.use(way.listener), way, address: `worker-${worker.number}` };
  }
  if (peers === undefined) return undefined;
  const credentials = await peerCredentials(peers);
  const { cert, key, ca } = credentials;
  const listener = stack.adopt(
    listen({
      ...peers.listen,
      flag: "--peer-listen",
      tls: { cert, key, clientCa: ca },
      alpn: [PEER_ALPN],
      takePlace,
      // The first words tell it why it is refused.
      admitsUnproven: true,
    }),
    close,
  );
  const address = peers.address ?? dialledAddress(listener.addr);
  const way = stack.adopt(
    new TlsWay(credentials, { listener, reread: peers.reread }),
    close,
  );
  return { listener, way, address };
}

interface Peers {
  readonly listener: HubListener;
  readonly way: PeerWay;
  /** Where others reach it. */
  readonly address: string;
}

interface Parts {
  readonly auth: Auth;
  readonly audit: Audit;
  readonly vouchers: Vouchers;
  readonly places: ConnectionPlaces;
  readonly tunnels: HubListener;
  readonly calls: HubListener;
  /** `undefined` for a hub alone. */
  readonly peers: Peers | undefined;
  /** That no other hub writes the same files. */
  readonly locks: Disposable;
  /** `undefined` for a hub with one loop. */
  readonly joint: Joint | undefined;
}

/** Where a hub stands: docs/lifecycle.md, "Drain". */
export type HubState = "serving" | "draining" | "closed";

class Hub implements RunningHub {
  readonly tunnelAddress: string;
  readonly callAddress: string;
  readonly peerAddress: string | undefined;
  readonly wildcards: RunningHub["wildcards"];
  readonly closed: Promise<void>;
  readonly cluster: Cluster | undefined;
  readonly #claims: Claims;
  /** What the numbers of its calls begin with. */
  readonly #id = crypto.randomUUID();
  /** By which servers know it. */
  readonly #hubId: string;
  readonly #options: HubProgramOptions;
  readonly #auth: Auth;
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #locks: Disposable;
  readonly #journal: EventLog;
  readonly #known: ServerMemory | undefined;
  readonly #joint: Joint | undefined;
  readonly #registry: Registry<OpenTunnel>;
  /** Where servers are: the registry, or with other hubs the directory of all of them. */
  readonly #directory: Registry<OpenTunnel> | Directory;
  readonly #peers: PeerPort | undefined;
  /** In its cluster; `undefined` for a hub that is alone. */
  readonly #name: string | undefined;
  readonly #activity: ActivityFeed;
  readonly #deadlines = new Deadlines();
  readonly #refusedCalls: RefusedCallCount;
  readonly #limits: Limits;
  readonly #places: ConnectionPlaces;
  readonly #ownServices: ReturnType<typeof createOwnServices>;
  readonly #own: OwnTarget;
  /** The same for other hubs, which are told of this one only. */
  readonly #peerServices: ReturnType<typeof createOwnServices> | undefined;
  readonly #peerOwn: OwnTarget | undefined;
  readonly #tunnelListener: TunnelListener;
  readonly #callListener: CallListener;
  /** Until the end: a draining hub tells servers when to come back. */
  readonly #acceptingTunnels = new AbortController();
  /** Until the drain: a caller finds another hub, or waits for the next one. */
  readonly #acceptingCalls = new AbortController();
  readonly #listeners: readonly [tunnels: HubListener, calls: HubListener];
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  readonly #tunnelOptions: Required<TunnelPortOptions>;
  readonly #idPrefix = this.#id.slice(0, 8);
  #nextId = 0;
  readonly #makeId = () => `${this.#idPrefix}-${this.#nextId++}`;
  #state: HubState = "serving";
  #closing: Promise<void> | undefined;

  constructor(
    options: HubProgramOptions,
    { auth, audit, vouchers, places, tunnels, calls, locks, peers, joint }: Parts,
  ) {
    this.#options = options;
    this.#hubId = options.worker?.hubId ?? this.#id;
    this.#auth = auth;
    this.#joint = joint;
    this.#activity = new ActivityFeed({ places: joint?.watchers });
    this.#refusedCalls = joint?.refusedCalls ?? new RefusedCalls();
    this.#limits = new Limits(options.limits, joint?.use);
    this.#tunnelOptions = { ...TUNNEL_PORT, ...options.tunnels };
    this.#places = places;
    const { stateDir } = options;
    this.#known = joint === undefined
      ? stateDir === undefined ? undefined : KnownServers.open(stateDir)
      : joint.known;
    this.#registry = new Registry({
      departures: this.#known?.departures ?? [],
      joint: joint?.servers,
    });
    this.peerAddress = peers?.address;
    this.cluster = this.#joinCluster();
    this.#claims = this.cluster ?? aloneClaims(this.#registry);
    const view = this.cluster ?? options.peers?.view;
    const name = this.#name = options.cluster?.hub ?? options.peers?.name;
    const onStale = (server: ServerName) => this.cluster?.lookAgain(server);
    this.#peers = peers && view &&
      new PeerPort({ name: name ?? "", view, onStale }, peers.way);
    this.#directory = this.#peers === undefined || view === undefined
      ? this.#registry
      : new Directory({ registry: this.#registry, view, links: this.#peers.links });
    this.#access = createAccess({
      auth,
      registry: this.#directory,
      allowPlaintextCalls: options.allowPlaintextCalls ?? true,
      trustLoopback: options.trustLoopback ?? true,
      guesses: joint?.guesses,
    });
    this.#audit = audit;
    this.#locks = locks;
    this.#listeners = [tunnels, calls];
    const { tunnelPath: path } = this.#tunnelOptions;
    const scheme = options.tunnelTls === undefined ? "ws" : "wss";
    this.tunnelAddress = `${scheme}://${shownAddress(tunnels.addr)}${path}`;
    this.callAddress = shownAddress(calls.addr);
    this.wildcards = {
      ...wildcardOf("tunnel", tunnels.addr),
      ...wildcardOf("call", calls.addr),
    };
    const isWorker = options.worker !== undefined;
    const shown = {
      registry: this.#registry,
      activity: this.#activity,
      sees: (operator: string, server: string) => this.#access.permissions.sees(operator, server),
      permissions: this.#access.permissions,
      hub: isWorker ? undefined : name,
    };
    const overHubs = this.#peers && view &&
      { name: name ?? "", view, links: this.#peers.links, areWorkers: isWorker };
    this.#ownServices = createOwnServices({
      ...shown,
      overHubs,
      cluster: isWorker ? undefined : this.cluster,
    });
    this.#own = new OwnTarget(this.#ownServices.server);
    const isForWorkers = joint !== undefined;
    this.#peerServices = this.#peers && createOwnServices({ ...shown, isForWorkers });
    this.#peerOwn = this.#peerServices && new OwnTarget(this.#peerServices.server);
    this.#journal = new EventLog({
      activity: this.#activity,
      audit,
      nextId: this.#makeId,
      joint: joint?.log,
    });
    this.#registry.onChange((event) => this.#journal.registryChanged(event));
    this.#registry.onChange((event) => this.#known?.onChange(event, this.#registry));
    this.#tunnelListener = new TunnelListener(this.#tunnelContext(vouchers));
    this.#callListener = new CallListener({
      relay: this.#relayContext(),
      access: this.#access,
      directory: this.#directory,
      limits: this.#limits,
      places: this.#places,
      nextId: this.#makeId,
      onRawRefused: (raw, error) => this.#journal.rawRefused(raw, error),
      onRawOpened: (raw) => this.#journal.rawOpened(raw),
      onRawEnded: (raw, result) => this.#journal.rawEnded(raw, result),
    });
    if (peers !== undefined) {
      this.#peers?.serve(peers.listener, {
        relay: this.#peerRelayContext(),
        onRefused: (peer, reason) => this.#journal.linkRefused(peer, reason),
      });
    }
    this.closed = Promise.all([
      acceptLoop(tunnels, (conn) => this.#tunnelListener.serve(conn), {
        signal: this.#acceptingTunnels.signal,
      }),
      acceptLoop(calls, (conn) => this.#callListener.serve(conn), {
        signal: this.#acceptingCalls.signal,
      }),
    ]).then(() => this.#closing);
    const sweep = new TunnelKeepalive(this.#tunnelOptions);
    this.#timers = [
      setInterval(() => sweep.look(this.#registry.tunnels()), LOOK_MS),
      setInterval(() => this.#sweep(), SWEEP_MS),
    ];
  }

  /** By whose credential a name was registered last. */
  ownerOf(name: string): string | undefined {
    const other = this.#joint === undefined ? undefined : this.cluster?.placesOf(name)[0];
    return this.#registry.pick(name)?.owner ?? other?.owner ??
      this.#registry.departure(name)?.owner;
  }

  /** The newest open tunnels of a name, one at each worker that has one. */
  #tunnelsOf(name: string): readonly Pick<OpenTunnel, "info">[] {
    const own = this.#registry.pick(name);
    const others = this.#joint === undefined ? [] : this.cluster?.placesOf(name) ?? [];
    return own === undefined ? others : [own, ...others];
  }

  usage(): Usage {
    return this.#limits.usage();
  }

  async untilLinked(): Promise<void> {
    const { of = 1 } = this.#options.worker ?? {};
    const links = this.#peers?.links;
    if (links === undefined) return;
    const isLinked = () => [...links.open()].length >= of - 1;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _ = links.onChange(() => {
      if (isLinked()) resolve();
    });
    if (!isLinked()) await promise;
  }

  get links(): PeerUsage | undefined {
    return this.#peers?.usage;
  }

  get isReady(): boolean {
    return this.#state === "serving";
  }

  get reloadParts(): ReloadPart[] {
    const { authFile } = this.#options;
    // The main thread writes the audit of workers.
    const auditLog = this.#joint === undefined ? this.#options.auditLog : undefined;
    const parts = reloadParts({ auth: this.#auth, authFile, audit: this.#audit, auditLog });
    const { reloadPart: peers } = this.#peers ?? {};
    const { reloadPart: engine } = this.#options.cluster ?? {};
    return [...parts, ...[peers, engine].filter((part) => part !== undefined)];
  }

  async useCertificate(identity: TlsIdentity): Promise<void> {
    for (const listener of this.#listeners) await listener.use?.(identity);
    this.#access.live.trustHasChanged();
  }

  async drain(signal?: AbortSignal): Promise<void> {
    if (this.#state === "serving") this.#state = "draining";
    // First of all: other hubs choose other ways before a server or a caller hears of it.
    if (this.cluster !== undefined) await this.cluster.leave();
    this.#acceptingCalls.abort();
    this.#ownServices.drain();
    this.#peerServices?.drain();
    this.#registry.endWaits();
    for (const caller of this.#callListener.callers) caller.drain();
    this.#peers?.drain();
    const options = signal === undefined ? {} : { signal };
    await Promise.all([
      ...this.#registry.list().map((tunnel) => tunnel.drain(options)),
      this.#callListener.arrived(this.#listeners[1], signal)
        .then(() => untilNone(() => this.#callsGoingOn(), signal)),
    ]);
    if (!signal?.aborted) await this.#partFromCallers();
    this.close();
    await this.closed;
  }

  close(): void {
    this.#state = "closed";
    this.#closing ??= this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  async #close(): Promise<void> {
    this.#acceptingTunnels.abort();
    this.#acceptingCalls.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#auth.close();
    this.#access.authenticator.close();
    const tunnels = this.#registry.list();
    for (const tunnel of tunnels) tunnel.close({ reason: "The hub goes away", by: "hub" }, 1001);
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    this.#tunnelListener.close();
    const connections = [this.#callListener.close(), this.#peers?.close()];
    this.#own.close();
    this.#peerOwn?.close();
    this.#deadlines.close();
    this.#limits.close();
    this.#known?.[Symbol.dispose]();
    await Promise.all([...connections, ...tunnels.map((one) => one[Symbol.asyncDispose]())]);
    await this.cluster?.[Symbol.asyncDispose]();
    this.#ownServices.close();
    this.#peerServices?.close();
    this.#journal.close();
    await this.#audit[Symbol.asyncDispose]();
    this.#locks[Symbol.dispose]();
  }

  /** What they send from now on was not delivered, and they can know it. */
  async #partFromCallers(): Promise<void> {
    const callers = [...this.#callListener.callers, ...this.#peers?.callers ?? []];
    await Promise.all(callers.map((caller) => caller.end()));
  }

  /** Of callers and of other hubs: each resolves when it has ended. */
  #callsGoingOn(): Promise<void>[] {
    const hubs = [...this.#peers?.callers ?? []].filter((hub) => hub.isBusy);
    return [...this.#callListener.busy(), ...hubs.map((hub) => hub.whenIdle())];
  }

  #tunnelContext(vouchers: Vouchers) {
    const { tunnelPath, maxHandshakesPerS, ...times } = this.#tunnelOptions;
    return {
      hubId: this.#hubId,
      path: tunnelPath,
      vouchers,
      places: this.#places,
      access: this.#access,
      registry: this.#registry,
      isHere: ({ name, instance }: Pick<ServerInfo, "name" | "instance">) =>
        this.#tunnelsOf(name).some(({ info }) => info.instance === instance),
      claims: this.#claims,
      isDraining: () => this.#state !== "serving",
      maxHandshakesPerS,
      admission: this.#joint?.admission,
      nextId: this.#makeId,
      onRefused: (asked: RefusedServer, error: { code: string; message: string }) =>
        this.#journal.serverRefused(asked, error),
      onRegistered: (tunnel: OpenTunnel, identity: Identity) => {
        this.#journal.serverRegistered(tunnel, identity);
        if (tunnel.name.includes("/")) return;
        const request = {
          hubId: this.#hubId,
          hubVersion: VERSION,
          tunnelId: tunnel.id,
          generation: tunnel.generation,
          pingInterval: duration(times.pingIntervalMs),
          deadAfter: duration(times.deadAfterMs),
          reconnectSpread: duration(times.reconnectSpreadMs),
        };
        void welcome(tunnel, request);
      },
    };
  }

  #joinCluster(): Cluster | undefined {
    const { cluster: setup, authFile, worker } = this.#options;
    if (setup === undefined) return undefined;
    // Workers have the same files, and a cluster that is new with each process.
    const stateDir = worker === undefined ? this.#options.stateDir : undefined;
    const files = new SharedFiles({ stateDir, authFile });
    const peerAddress = this.peerAddress ?? "";
    return new Cluster({
      engine: setup.open(),
      cluster: setup.cluster,
      ...setup.times,
      isOfWorkers: worker !== undefined,
      record: { name: setup.hub, peerAddress, version: VERSION, protocol: 1 },
      fingerprints: () => worker === undefined ? files.fingerprints() : {},
      registry: this.#registry,
      stateDir,
      onFlap: (flap) => this.#journal.registryChanged({ type: "flapping", ...flap }),
    });
  }

  #relayContext(): RelayContext {
    const [access, limits] = [this.#access, this.#limits];
    return {
      router: new CallRouter({
        ...access,
        limits,
        registry: this.#directory,
        own: () => this.#own.open(),
      }),
      observers: [
        ...[access.live, limits, this.#journal],
        ...(this.#peers === undefined ? [] : [this.#peers.forwarded]),
      ],
      deadlines: this.#deadlines,
      nextId: this.#makeId,
      limits,
      refused: this.#refusedCalls,
      maxStreams: limits.maxStreamsPerConnection,
      isReady: () => this.isReady,
    };
  }

  /** The same for calls that other hubs forward: they get to this hub's own tunnels, and no further. */
  #peerRelayContext(): Omit<RelayContext, "forwarder" | "maxStreams"> {
    const context = this.#relayContext();
    const isWorker = this.#options.worker !== undefined;
    return {
      ...context,
      router: new PeerRouter({
        hub: isWorker ? "" : this.#name ?? "",
        ofWorkers: isWorker ? context.router : undefined,
        access: this.#access,
        limits: this.#limits,
        registry: this.#registry,
        own: () => this.#peerOwn!.open(),
      }),
    };
  }

  #load(): Load {
    const { callers, raws } = this.#callListener;
    let connections = callers.size + raws.size;
    let bufferedBytes = this.#ownServices.heldBytes + this.#own.bufferedBytes;
    bufferedBytes += this.#peerServices?.heldBytes ?? 0;
    bufferedBytes += this.#peerOwn?.bufferedBytes ?? 0;
    for (const { side } of this.#registry.tunnels()) {
      connections++;
      bufferedBytes += side.connection.waitingBytes + side.connection.unfinishedBytes;
    }
    for (const caller of callers) bufferedBytes += caller.bufferedBytes;
    for (const raw of raws) bufferedBytes += raw.bufferedBytes;
    // Between workers they are none.
    if (this.#joint === undefined) connections += this.#peers?.connections ?? 0;
    bufferedBytes += this.#peers?.bufferedBytes ?? 0;
    return { connections, bufferedBytes };
  }

  /** Once a second. What goes wrong with one must not keep the others from their turn. */
  #sweep(): void {
    for (const part of this.#swept()) {
      try {
        part.tick();
      } catch (error) {
        getLogger(["hub"]).error("The sweep hit an unexpected error: {error}", { error });
      }
    }
  }

  *#swept(): Generator<{ tick(): void }> {
    yield* this.#callListener.callers;
    if (this.#peers !== undefined) yield* this.#peers.swept();
    yield { tick: () => this.#limits.tick(this.#load()) };
    yield* [this.#own, this.#access.live, this.#refusedCalls, this.#journal];
    if (this.#peerOwn !== undefined) yield this.#peerOwn;
    const { cluster } = this;
    yield { tick: () => this.#joint?.tellLinks(this.#peers?.usage) };
    yield { tick: () => this.#known?.flush() };
    if (cluster !== undefined && this.#options.worker === undefined) {
      yield { tick: () => setClusterHealth(this.#ownServices.health, cluster) };
    }
  }
}
