/**
 * Where servers are, over all hubs: this hub's own registry, and what the view says of the others.
 *
 *     pick(name) ─▶ own tunnel
 *                └▶ else a place at another hub that can be reached, by hash of the name
 *
 * The view is a map that may be old: the hub that has the tunnel decides, by the generation that this
 * one sends along.
 *
 * @module
 */
import { errorInfo, retryInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { RENEWAL_WAIT_MS } from "../../shared/registration/renewing.ts";
import { quote } from "../../shared/text/quote.ts";
import { ERROR_DOMAIN, LIMIT_RETRY_MS } from "../errors.ts";
import type { ServerTarget } from "../peer/call_target.ts";
import type { Registry } from "../registry/registry.ts";
import type { ServerInfo, ServerName, Tunnel } from "../registry/tunnel.ts";
import type { QueueOptions } from "../registry/wait_queue.ts";
import type { ClusterView, Place } from "./view.ts";

/** A tunnel at another hub, as calls go to it. */
export interface RemoteTarget extends ServerTarget {
  /** The way to it takes new calls. */
  readonly isOpen: boolean;
}

/** The ways to other hubs. */
export interface PlaceLinks {
  /** The way to a place; `undefined` while its hub cannot be reached. */
  targetOf(place: Place): RemoteTarget | undefined;
  /** Called when a way has opened or was lost. */
  onChange(listener: () => void): Disposable;
}

/** Choices that are remembered; beyond, all are made again. */
const MAX_CHOSEN = 10_000;

/** A place at another hub, and the way to it. */
interface Chosen {
  readonly place: Place;
  readonly target: RemoteTarget;
}

export interface DirectoryOptions {
  readonly registry: Pick<
    Registry<Tunnel & ServerTarget>,
    "changes" | "has" | "isRenewing" | "known" | "labelsOf" | "lastSeen" | "pick" | "waitFor"
  >;
  readonly view: Pick<
    ClusterView,
    "placesOf" | "names" | "departureOf" | "departures" | "onChange"
  >;
  readonly links: PlaceLinks;
}

/** Takes the registry's place for all that asks where servers are. */
export class Directory {
  readonly #registry: DirectoryOptions["registry"];
  readonly #view: DirectoryOptions["view"];
  readonly #links: PlaceLinks;
  /** The last choice for each name, until the view or a link changes: each call asks, more than once. */
  readonly #chosen = new Map<ServerName, Chosen>();
  /** What is called when a place of a name may have come. */
  readonly #waiting = new Map<ServerName, Set<() => void>>();
  #changes = 0;

  constructor({ registry, view, links }: DirectoryOptions) {
    this.#registry = registry;
    this.#view = view;
    this.#links = links;
    view.onChange(({ server }) => {
      this.#changes++;
      if (server === undefined) this.#chosen.clear();
      else this.#chosen.delete(server);
      this.#wake(server);
    });
    links.onChange(() => {
      this.#chosen.clear();
      this.#wake();
    });
  }

  /** Where calls to a name go now. */
  pick(name: ServerName): ServerTarget | undefined {
    return this.#registry.pick(name) ?? this.#remote(name);
  }

  /** Whether calls to this name go through now. */
  isOnline(name: ServerName): boolean {
    return this.pick(name) !== undefined;
  }

  /** Whether its last tunnel, here or at another hub, has said that another one takes its place at once. */
  isRenewing(name: ServerName): boolean {
    if (this.#registry.isRenewing(name)) return true;
    const { left } = this.#view.departureOf(name) ?? {};
    if (left?.isRenewing !== true) return false;
    // By two clocks: where they differ by more, calls do not wait.
    return Math.abs(Date.now() - left.atMs) < RENEWAL_WAIT_MS;
  }

  /** Whether this name is or was known. */
  has(name: ServerName): boolean {
    return this.#registry.has(name) || this.#view.placesOf(name).length > 0 ||
      this.#view.departureOf(name) !== undefined;
  }

  /** Names that are or were known, in no order. */
  *known(): Generator<ServerName> {
    yield* this.#registry.known();
    for (const name of this.#view.names()) if (!this.#registry.has(name)) yield name;
    for (const { info: { name } } of this.#view.departures()) {
      if (!this.#registry.has(name)) yield name;
    }
  }

  /** Grows with each change of what `known` and `labelsOf` give. */
  get changes(): number {
    return this.#registry.changes + this.#changes;
  }

  /** The labels of the tunnel that `pick` gives, or of the last one. */
  labelsOf(name: ServerName): ServerInfo["labels"] | undefined {
    const here = this.#registry.labelsOf(name);
    if (here !== undefined && this.#registry.pick(name) !== undefined) return here;
    return this.#best(name)?.place.info.labels ??
      newest(this.#view.placesOf(name))[0]?.info.labels ??
      this.#view.departureOf(name)?.info.labels ??
      here;
  }

  lastSeen(name: ServerName): { lastSeenMs: number; reason: string } | undefined {
    const [place] = newest(this.#view.placesOf(name));
    if (place !== undefined) return { lastSeenMs: Date.now(), reason: "" };
    const here = this.#registry.lastSeen(name);
    const { left } = this.#view.departureOf(name) ?? {};
    // It may have been here once, and at another hub after that.
    if (left === undefined || left.atMs < (here?.lastSeenMs ?? 0)) return here;
    return { lastSeenMs: left.atMs, reason: left.reason };
  }

  /** Why a server that another hub has cannot be reached from here. */
  unreachable(name: ServerName): RpcError | undefined {
    const [place] = newest(this.#view.placesOf(name));
    if (place === undefined || this.isOnline(name)) return undefined;
    const hub = place.hub.name;
    return new RpcError(
      Status.UNAVAILABLE,
      `Server ${quote(name)} has its tunnel at hub ${quote(hub)}, which cannot be reached from ` +
        "this one; nothing was delivered",
      {
        details: [
          errorInfo("HUB_UNREACHABLE", ERROR_DOMAIN, { server: name, hub }),
          retryInfo(LIMIT_RETRY_MS),
        ],
      },
    );
  }

  /** The way to a server, as soon as there is one: its tunnel comes here, or to a hub that is linked. */
  async waitFor(name: ServerName, options: QueueOptions): Promise<ServerTarget> {
    const now = options.signal.aborted ? undefined : this.pick(name);
    if (now !== undefined) return now;
    const over = new AbortController();
    const { promise, resolve } = Promise.withResolvers<ServerTarget>();
    const look = () => {
      const target = this.#remote(name);
      if (target !== undefined) resolve(target);
    };
    const waiting = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, waiting.add(look));
    try {
      const signal = AbortSignal.any([options.signal, over.signal]);
      return await Promise.race([this.#registry.waitFor(name, { ...options, signal }), promise]);
    } finally {
      over.abort();
      waiting.delete(look);
      if (waiting.size === 0) this.#waiting.delete(name);
    }
  }

  #remote(name: ServerName): ServerTarget | undefined {
    return this.#best(name)?.target;
  }

  /** The place that can be reached and whose hub comes first for this name. */
  #best(name: ServerName): Chosen | undefined {
    const known = this.#chosen.get(name);
    if (known?.target.isOpen) return known;
    const best = this.#choose(name);
    if (this.#chosen.size >= MAX_CHOSEN) this.#chosen.clear();
    if (best !== undefined) this.#chosen.set(name, best);
    return best;
  }

  #choose(name: ServerName): Chosen | undefined {
    const places = newest(this.#view.placesOf(name));
    let best: Chosen | undefined;
    let bestRank = -1;
    for (const place of places) {
      if (place.hub.state !== "open") continue;
      const target = this.#links.targetOf(place);
      if (target === undefined) continue;
      if (places.length === 1) return { place, target };
      const rank = rankOf(name, place.hub.session);
      if (rank > bestRank) [best, bestRank] = [{ place, target }, rank];
    }
    return best;
  }

  #wake(server?: ServerName): void {
    if (server !== undefined) this.#waiting.get(server)?.forEach((look) => look());
    else for (const waiting of this.#waiting.values()) waiting.forEach((look) => look());
  }
}

/**
 * Those of the instance that has the name now: an instance has a generation of its own at each hub, and
 * an older instance is about to lose its tunnels.
 */
function newest(places: readonly Place[]): readonly Place[] {
  if (places.length < 2) return places;
  const last = places.reduce((a, b) => a.generation > b.generation ? a : b);
  const { instance } = last.info;
  return places.filter((place) =>
    place === last || (instance !== "" && place.info.instance === instance)
  );
}

/** Spreads names over hubs in the same way at every hub (FNV-1a). */
function rankOf(name: ServerName, session: string): number {
  let hash = 0x811c9dc5;
  for (const text of [name, " ", session]) {
    for (let at = 0; at < text.length; at++) {
      hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
    }
  }
  return hash;
}
