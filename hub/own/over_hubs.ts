/**
 * What is shown of all hubs of a cluster: the list of servers, of hubs, and what happens. Each hub
 * answers for itself, so that nothing is told twice; the one that was asked puts it together.
 *
 * @module
 */
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_ListHubsResponse as ListHubsResponse,
  ghub_v1_ListServersRequest as ListServersRequest,
  ghub_v1_ListServersResponse as ListServersResponse,
  ghub_v1_MemberHub as MemberHub,
  ghub_v1_WatchActivityRequest as WatchActivityRequest,
} from "../../shared/gen/types.ts";
import { timestamp } from "../../shared/grpc/proto_time.ts";
import { selects } from "../../shared/registration/selector.ts";
import { VERSION } from "../../shared/version.ts";
import { differingFiles } from "../cluster/shared_files.ts";
import type { ClusterView, HubRecord } from "../cluster/view.ts";
import type { OpenLink } from "../links/open_link.ts";
import { callPeer } from "../links/peer_call.ts";
import { PEER_PROTOCOL } from "../links/peer_handshake.ts";
import type { LinkState } from "../links/peer_links.ts";
import { type ListedServer, pageOf, type RegistryView, wantedBy } from "./list_servers.ts";

/** A hub that has not answered by then is named in the list, and what the view knows of it is shown. */
export const PEER_LIST_TIMEOUT_MS = 1_000;

/** The other hubs, and the ways to them. */
export interface OverHubs {
  /** This hub's name. */
  readonly name: string;
  /** They are workers of one hub, which is shown as one. @default false */
  readonly areWorkers?: boolean;
  readonly view: Pick<ClusterView, "departures" | "hubs" | "session" | "names" | "placesOf">;
  readonly links: {
    linkOf(session: string): OpenLink | undefined;
    stateOf(session: string): LinkState;
    onChange(listener: () => void): Disposable;
  };
}

/** In whose name something is asked for. */
export interface Asking {
  readonly operator: string;
  readonly sees: (server: string) => boolean;
  readonly signal: AbortSignal;
}

/** @param here This hub's own page. */
export async function listOverHubs(
  request: ListServersRequest,
  here: ListServersResponse,
  { hubs, operator, sees, signal }: Asking & { readonly hubs: OverHubs },
): Promise<ListServersResponse> {
  const silent: HubRecord[] = [];
  const pages = [here];
  await Promise.all(
    others(hubs).map(async (record) => {
      const page = await pageFrom(hubs.links.linkOf(record.session), request, { operator, signal });
      if (page === undefined) silent.push(record);
      else pages.push(page);
    }),
  );
  // Behind the end of a page that is not the last one there may be more of that hub.
  const ends = pages.flatMap(({ nextPageToken = "" }) =>
    nextPageToken === "" ? [] : [nextPageToken]
  );
  const end = ends.length === 0 ? undefined : ends.reduce((a, b) => a < b ? a : b);
  const all = new Map<string, ListedServer>();
  for (const server of pages.flatMap(({ servers = [] }) => servers)) {
    join(all, server as ListedServer);
  }
  for (const server of placesAt(silent, hubs.view, request)) {
    if (sees(server.name)) join(all, server);
  }
  if (request.includeOffline) {
    for (const server of awayFrom(hubs.view, request)) if (sees(server.name)) join(all, server);
  }
  const names = [...all.keys()].filter((name) => end === undefined || name <= end).sort();
  const page = pageOf(names.map((name) => all.get(name)!), request);
  const nextPageToken = page.nextPageToken ?? (end === undefined ? undefined : names.at(-1));
  return {
    ...page,
    ...(hubs.areWorkers && { servers: page.servers.map(({ hubs: _, ...server }) => server) }),
    ...(nextPageToken !== undefined && { nextPageToken }),
    ...(silent.length > 0 && !hubs.areWorkers &&
      { hubsSilent: silent.map(({ name }) => name).sort() }),
  };
}

async function pageFrom(
  link: OpenLink | undefined,
  request: ListServersRequest,
  { operator, signal }: Pick<Asking, "operator" | "signal">,
): Promise<ListServersResponse | undefined> {
  if (link === undefined) return undefined;
  try {
    const answers = callPeer<ListServersRequest, ListServersResponse>(link, request, {
      ...{ operator, signal },
      method: "ListServers",
      timeoutMs: PEER_LIST_TIMEOUT_MS,
    });
    // To leave after the first one, and the only one, would cancel a call that is done.
    let answer: ListServersResponse | undefined;
    for await (const page of answers) answer = page;
    return answer;
  } catch {
    // It is named as silent; the log of links tells why.
    return undefined;
  }
}

/** What the view knows of servers at hubs that do not answer. */
function* placesAt(
  silent: readonly HubRecord[],
  view: OverHubs["view"],
  request: ListServersRequest,
): Generator<ListedServer> {
  if (silent.length === 0) return;
  const sessions = new Set(silent.map(({ session }) => session));
  const { pageToken = "" } = request;
  const wanted = wantedBy(request);
  for (const name of view.names()) {
    if (name <= pageToken) continue;
    for (const { hub, tunnel, generation, info, sinceMs } of view.placesOf(name)) {
      if (!sessions.has(hub.session) || !selects(wanted, info.labels)) continue;
      const { labels, instance, version, remoteAddress } = info;
      yield {
        ...{ name, generation, instance, version, remoteAddress },
        labels: { ...labels },
        state: hub.state === "open" ? "ONLINE" : "DRAINING",
        tunnelId: tunnel,
        connectedAt: timestamp(sinceMs),
        hubs: [hub.name],
      };
    }
  }
}

/** Servers that are nowhere: the hub from which they went may be dead. */
function* awayFrom(view: OverHubs["view"], request: ListServersRequest): Generator<ListedServer> {
  const { pageToken = "" } = request;
  const wanted = wantedBy(request);
  for (const { info, generation, left, flaps } of view.departures()) {
    if (info.name <= pageToken || left === undefined || !selects(wanted, info.labels)) continue;
    yield {
      ...info,
      labels: { ...info.labels },
      state: "OFFLINE",
      generation,
      lastSeen: timestamp(left.atMs),
      lastCloseReason: left.reason,
      flaps,
    };
  }
}

const RANK: Readonly<Record<string, number>> = { ONLINE: 2, DRAINING: 1 };

/** If several hubs know a server, the one that has its newest tunnel tells about it. */
function join(all: Map<string, ListedServer>, server: ListedServer): void {
  const known = all.get(server.name);
  if (known === undefined) return void all.set(server.name, server);
  const rankOf = ({ state }: ListedServer) => RANK[state ?? ""] ?? 0;
  const isNewer = rankOf(server) - rankOf(known) ||
    (server.generation ?? 0) - (known.generation ?? 0) ||
    Number(server.lastSeen?.seconds ?? 0) - Number(known.lastSeen?.seconds ?? 0);
  const [newer, older] = isNewer > 0 ? [server, known] : [known, server];
  const areBothHere = rankOf(older) > 0;
  all.set(server.name, {
    ...newer,
    ...(areBothHere && {
      hubs: [...new Set([...newer.hubs ?? [], ...older.hubs ?? []])].sort(),
      callsInFlight: (newer.callsInFlight ?? 0) + (older.callsInFlight ?? 0),
      callsTotal: (newer.callsTotal ?? 0) + (older.callsTotal ?? 0),
    }),
  });
}

/** The events of one hub. */
interface Source {
  /** The hub's peer address, which it keeps when it joins its cluster again; empty for this hub. */
  readonly at: string;
  readonly hub: string;
  readonly events: AsyncIterator<Activity>;
}

/** What came of a source; without a result it has failed. */
interface Heard {
  readonly source: Source;
  readonly result?: IteratorResult<Activity>;
}

/**
 * What happens at all hubs, in the order in which it is heard of. A hub that is lost is told as a gap,
 * and watched again as soon as it is linked.
 *
 * @param here What happens at this hub.
 */
export async function* watchOverHubs(
  request: WatchActivityRequest,
  here: AsyncIterable<Activity>,
  { hubs, operator, signal }: Omit<Asking, "sees"> & { readonly hubs: OverHubs },
): AsyncGenerator<Activity, void, undefined> {
  /** By address: a hub whose link has been replaced is told over the old one, until that ends. */
  const sources = new Map<string, Source>();
  /** Links that stand and were watched: a hub that ends the watch is not asked for another one. */
  const watched = new Set<OpenLink>();
  // No race of promises: those of a silent hub would keep all that the others have told meanwhile.
  const heard: Heard[] = [];
  let wake = () => {};
  const hear = (one: Heard) => {
    heard.push(one);
    wake();
  };
  const pull = (source: Source) => {
    source.events.next().then((result) => hear({ source, result }), () => hear({ source }));
  };
  const add = (who: Pick<Source, "at" | "hub">, events: AsyncIterable<Activity>) => {
    const source: Source = { ...who, events: events[Symbol.asyncIterator]() };
    sources.set(who.at, source);
    pull(source);
  };
  // What happened before a hub came back is known already, or lost.
  let { history = 0 } = request;
  const look = () => {
    for (const link of watched) if (link.lost !== undefined) watched.delete(link);
    for (const { session, peerAddress: at } of others(hubs)) {
      const link = hubs.links.linkOf(session);
      if (link === undefined || watched.has(link) || sources.has(at)) continue;
      watched.add(link);
      add(
        { at, hub: link.hub },
        callPeer<WatchActivityRequest, Activity>(link, { ...request, history }, {
          ...{ operator, signal },
          method: "WatchActivity",
        }),
      );
    }
    history = 0;
  };
  let isDue = true;
  using _ = hubs.links.onChange(() => {
    isDue = true;
    wake();
  });
  add({ at: "", hub: hubs.name }, here);
  try {
    while (!signal.aborted) {
      if (isDue) {
        isDue = false;
        look();
      }
      const one = heard.shift();
      if (one === undefined) {
        await new Promise<void>((resolve) => wake = resolve);
        continue;
      }
      const { source: { at, hub }, result } = one;
      if (result !== undefined && !result.done) {
        pull(one.source);
        yield hubs.areWorkers ? result.value : { ...result.value, hub };
        continue;
      }
      sources.delete(at);
      if (at === "" || signal.aborted) return;
      isDue = true;
      yield {
        kind: "GAP",
        ...(!hubs.areWorkers && { hub }),
        time: timestamp(Date.now()),
        reason: `Hub "${hub}" was lost: its events are missing from here on`,
      };
    }
  } finally {
    for (const { events } of sources.values()) void events.return?.()?.catch?.(() => {});
  }
}

/** The hubs of the cluster as this one sees them; this one alone where there is none. */
export function listHubs(
  registry: Pick<RegistryView, "tunnels">,
  hubs: OverHubs | undefined,
): ListHubsResponse {
  const here = new Set<string>();
  for (const { state, info } of registry.tunnels()) if (state === "open") here.add(info.name);
  const self: MemberHub = {
    name: hubs?.name ?? "",
    state: "OPEN",
    self: true,
    version: VERSION,
    protocol: PEER_PROTOCOL,
    servers: here.size,
    linked: true,
  };
  const now = timestamp(Date.now());
  if (hubs === undefined) return { hubs: [self], now };
  const { view, links } = hubs;
  if (hubs.areWorkers) {
    for (const name of view.names()) here.add(name);
    return { hubs: [{ ...self, name: "", servers: here.size }], now };
  }
  const servers = new Map<string, number>();
  for (const name of view.names()) {
    for (const { hub: { session } } of view.placesOf(name)) {
      servers.set(session, (servers.get(session) ?? 0) + 1);
    }
  }
  const own = view.hubs().find(({ session }) => session === view.session);
  const members = view.hubs().map((record): MemberHub => {
    const isSelf = record === own;
    const { isOpen, reason } = isSelf
      ? { isOpen: true, reason: "" }
      : links.stateOf(record.session);
    return {
      name: record.name,
      state: record.state === "open" ? "OPEN" : "DRAINING",
      self: isSelf,
      version: record.version,
      protocol: record.protocol,
      peerAddress: record.peerAddress,
      since: timestamp(record.sinceMs),
      servers: isSelf ? here.size : servers.get(record.session) ?? 0,
      linked: isOpen,
      linkError: reason,
      differingFiles: own === undefined ? [] : differingFiles(own, record),
    };
  });
  if (own === undefined) members.push(self);
  return { hubs: members.sort((a, b) => a.name! < b.name! ? -1 : 1), now };
}

function others({ view }: OverHubs): readonly HubRecord[] {
  return view.hubs().filter(({ session }) => session !== view.session);
}
