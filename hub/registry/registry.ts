/**
 * Which servers are here: name → tunnels. The hub's only shared state, and the one place where tunnels
 * (which add themselves) and calls (which pick one) meet. docs/protocol.md §7.
 *
 *     unknown ──add──▶ online ──last tunnel removed──▶ away ──add──▶ online
 *                                                       └─ 10 000 others are away ─▶ unknown
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { RENEWAL_WAIT_MS } from "../../shared/registration/renewing.ts";
import { isWithinShare, type Places } from "../../shared/async/fair_share.ts";
import type { SharedTally } from "../../shared/memory/shared_tally.ts";
import { Arrivals } from "./arrivals.ts";
import { FlapRule } from "./flap_rule.ts";
import { NamesAway } from "./names_away.ts";
import type { Refusal } from "./refusal.ts";
import type { CloseReason, ServerInfo, ServerName, Tunnel } from "./tunnel.ts";
import { type QueueOptions, WaitQueue } from "./wait_queue.ts";

/** Names with an open tunnel, shared by those who own them. Beyond, new names are refused with 503. */
export const MAX_SERVERS = 50_000;
/** Names remembered while away, shared by those who own them: see `names_away.ts`. */
export const MAX_AWAY = 10_000;
/** Calls that wait for a server (`x-hub-wait`), over all names. */
export const MAX_WAITERS = 1_000;
/** Draining tunnels of a name in addition to its open one; with one more, the oldest is closed. */
export const MAX_DRAINING = 3;

const RETRY_FULL_S = 30;
const RETRY_FLAPPING_S = 60;

/** A server that went away. */
export interface Departure {
  readonly info: ServerInfo;
  readonly generation: number;
  /** See `Tunnel.owner`. */
  readonly owner?: string;
  readonly lastSeenMs: number;
  /** Why its last tunnel closed. */
  readonly reason: string;
  /** How often two living instances were seen to fight over the name. */
  readonly flaps?: number;
  /** Round trip of its last ping. */
  readonly rttMs?: number;
}

export type RegistryEvent<T extends Tunnel = Tunnel> =
  | { readonly type: "added"; readonly tunnel: T }
  | { readonly type: "removed"; readonly tunnel: T; readonly reason: CloseReason }
  | {
    /** Two living instances fight over `holder.name`; `displaced` was here until now. */
    readonly type: "flapping";
    readonly holder: ServerInfo;
    readonly displaced: ServerInfo;
    /** Turns within the last minute. */
    readonly turns: number;
    /** Whether newcomers are refused from now on. */
    readonly refusing: boolean;
  };

export interface RegistryOptions {
  /**
   * Who was here before, the one that left first at the front.
   *
   * @default []
   */
  readonly departures?: readonly Departure[];
  /** @default MAX_SERVERS */
  readonly maxServers?: number;
  /** @default MAX_AWAY */
  readonly maxAway?: number;
  /** @default MAX_WAITERS */
  readonly maxWaiters?: number;
  /** What other workers of this process share with it. @default it is alone */
  readonly joint?: JointServers | undefined;
  /** A clock in milliseconds that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** What the registries of all workers of a process count together. */
export interface JointServers {
  /** Names that are here, by owner. */
  readonly held: SharedTally;
  /** `MAX_WAITERS` of them. */
  readonly waiting: Places;
}

/** All about one name. */
interface Entry<T extends Tunnel> {
  /** The highest that was given out. */
  generation: number;
  /** Oldest first. The last one is open or draining; the others are draining. */
  tunnels: T[];
  /** Whose name it is, by its newest tunnel. */
  owner: string;
  departure: Departure | undefined;
  flap: FlapRule | undefined;
  flaps: number;
  /** By the registry's clock: until then a tunnel is expected that takes the place of the one that closed. */
  renewingUntilMs: number;
}

const NOTHING: Disposable = { [Symbol.dispose]() {} };

/**
 * Guarantees:
 * - The newest registration of a name wins at once, and the tunnel that it displaced is closed
 *   with a reason. A draining one may end its calls, and one that its own instance has renewed.
 * - An older generation never displaces a newer one, whatever the order of events.
 * - Removal is by object: a late or repeated removal never touches another tunnel.
 * - Nothing here waits for a peer.
 */
export class Registry<T extends Tunnel = Tunnel> {
  /** Names that a handshake claims now. */
  readonly arrivals: Arrivals = new Arrivals();
  readonly #entries = new Map<ServerName, Entry<T>>();
  /** Names without a tunnel. */
  readonly #idle: NamesAway;
  /** How many of the others each owner has. */
  readonly #held = new Map<string, number>();
  readonly #joint: JointServers | undefined;
  readonly #waiters: WaitQueue<T>;
  readonly #listeners = new Set<(event: RegistryEvent<T>) => void>();
  readonly #maxServers: number;
  readonly #now: () => number;
  /** Above every generation of the names that were forgotten. */
  #forgotten = 0;
  #changes = 0;

  constructor(options: RegistryOptions = {}) {
    this.#maxServers = options.maxServers ?? MAX_SERVERS;
    this.#idle = new NamesAway(options.maxAway ?? MAX_AWAY);
    this.#joint = options.joint;
    this.#waiters = new WaitQueue(options.maxWaiters ?? MAX_WAITERS, this.#joint?.waiting);
    this.#now = options.now ?? (() => performance.now());
    for (const departure of options.departures ?? []) {
      const { info: { name }, owner = "" } = departure;
      const entry = this.#entry(name, owner);
      entry.generation = Math.max(entry.generation, departure.generation);
      entry.departure = departure;
      entry.flaps = departure.flaps ?? 0;
    }
  }

  /**
   * Whether a server may register now; to be asked before its upgrade is accepted.
   *
   * @param owner See `Tunnel.owner`.
   */
  admit(info: ServerInfo, owner = ""): Refusal | undefined {
    const { name, instance } = info;
    const holder = this.pick(name);
    if (holder === undefined) {
      const own = this.#joint?.held.of(owner) ?? this.#held.get(owner) ?? 0;
      const free = this.#maxServers -
        (this.#joint?.held.sum ?? this.#entries.size - this.#idle.size);
      if (isWithinShare(own, free)) return undefined;
      const why = free <= 0
        ? `the hub has ${this.#maxServers} servers, its limit`
        : `"${owner}" has ${own} of the ${this.#maxServers} servers, the rest is for others`;
      return {
        status: 503,
        code: "RESOURCE_EXHAUSTED",
        message: `Cannot register "${name}": ${why}`,
        retryAfterS: RETRY_FULL_S,
      };
    }
    if (!this.#entries.get(name)?.flap?.refuses(holder.info.instance, instance)) return undefined;
    return {
      status: 409,
      code: "ALREADY_EXISTS",
      message: `Cannot register "${name}": another living instance at ` +
        `${holder.info.remoteAddress} holds this name; stop one of the two or rename it`,
      retryAfterS: RETRY_FLAPPING_S,
    };
  }

  /** Takes the generation of a new registration: above every earlier one of the name. */
  nextGeneration(name: ServerName): number {
    const entry = this.#entry(name);
    // In a cluster the engine gives generations, and these only while it is away.
    const newest = entry.tunnels.at(-1)?.generation ?? 0;
    entry.generation = Math.max(entry.generation, newest) + 1;
    return entry.generation;
  }

  /** Registers a tunnel. Its removal, when it closes or by dispose, harms no other. */
  add(tunnel: T): Disposable {
    if (tunnel.state === "closed") return NOTHING;
    const { name } = tunnel.info;
    const entry = this.#entry(name);
    const current = entry.tunnels.at(-1);
    if (current !== undefined && current.generation >= tunnel.generation) {
      if (current !== tunnel) {
        const reason = `A newer registration of "${name}" was faster, from ` +
          current.info.remoteAddress;
        tunnel.close({ reason, by: "hub" });
        return NOTHING;
      }
    } else {
      this.#insert(entry, tunnel);
    }
    return {
      [Symbol.dispose]: () =>
        this.#remove(tunnel, { reason: "Tunnel was removed from the registry", by: "hub" }),
    };
  }

  /** The newest open tunnel of a name. */
  pick(name: ServerName): T | undefined {
    const newest = this.#entries.get(name)?.tunnels.at(-1);
    return newest?.state === "open" ? newest : undefined;
  }

  /** Whether calls to this name go through now. */
  isOnline(name: ServerName): boolean {
    return this.pick(name) !== undefined;
  }

  /**
   * Whether its newest tunnel has said that another one takes its place at once. It may close before that
   * one is here: it is only as long as its calls.
   */
  isRenewing(name: ServerName): boolean {
    const entry = this.#entries.get(name);
    const newest = entry?.tunnels.at(-1);
    if (newest !== undefined) return newest.state === "draining" && newest.isRenewing === true;
    return entry !== undefined && this.#now() < entry.renewingUntilMs;
  }

  /** Whether this name is or was here. */
  has(name: ServerName): boolean {
    const entry = this.#entries.get(name);
    return entry !== undefined && (entry.tunnels.length > 0 || entry.departure !== undefined);
  }

  /** Names that are or were here, in no order. */
  *known(): Generator<ServerName> {
    for (const [name, { tunnels, departure }] of this.#entries) {
      if (tunnels.length > 0 || departure !== undefined) yield name;
    }
  }

  /** Grows with each change of what `known` and `labelsOf` give. */
  get changes(): number {
    return this.#changes;
  }

  /** Names with an open tunnel. */
  names(): readonly ServerName[] {
    const names: ServerName[] = [];
    for (const [name, { tunnels }] of this.#entries) {
      if (tunnels.at(-1)?.state === "open") names.push(name);
    }
    return names;
  }

  /** All tunnels, open and draining, in no order: for those who look at all of them all the time. */
  *tunnels(): Generator<T> {
    for (const { tunnels } of this.#entries.values()) yield* tunnels;
  }

  /** All tunnels, open and draining, by name, oldest first. */
  list(): readonly T[] {
    return [...this.#entries.values()].flatMap(({ tunnels }) => tunnels).sort((a, b) =>
      compare(a.info.name, b.info.name) || a.generation - b.generation
    );
  }

  /** The names that were here and are not, by name. */
  away(): readonly Departure[] {
    return [...this.#departures()].sort((a, b) => compare(a.info.name, b.info.name));
  }

  /** How a name left the last time; it may be here again. */
  departure(name: ServerName): Departure | undefined {
    return this.#entries.get(name)?.departure;
  }

  /** When a name was last heard of, and why its last tunnel ended (empty for its first one). */
  lastSeen(name: ServerName): { lastSeenMs: number; reason: string } | undefined {
    const entry = this.#entries.get(name);
    const newest = entry?.tunnels.at(-1);
    if (newest !== undefined) {
      const reason = newest.state === "draining"
        ? "Tunnel is draining"
        : entry?.departure?.reason ?? "";
      return { lastSeenMs: newest.stats().lastSeenMs, reason };
    }
    const departure = entry?.departure;
    return departure && { lastSeenMs: departure.lastSeenMs, reason: departure.reason };
  }

  /** How often two living instances were seen to fight over a name. */
  flaps(name: ServerName): number {
    return this.#entries.get(name)?.flaps ?? 0;
  }

  /** How many were seen in all, here and elsewhere. */
  noteFlaps(name: ServerName, flaps: number): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) entry.flaps = Math.max(entry.flaps, flaps);
  }

  /** The labels of a server that is or was here. The object is the same for as long as it stays. */
  labelsOf(name: ServerName): ServerInfo["labels"] | undefined {
    const entry = this.#entries.get(name);
    return (entry?.tunnels.at(-1) ?? entry?.departure)?.info.labels;
  }

  /** Tells what happens. A listener that throws is logged and does not disturb the others. */
  onChange(listener: (event: RegistryEvent<T>) => void): Disposable {
    // Wrapped, so that the same function can listen twice and leave once.
    const own = (event: RegistryEvent<T>) => listener(event);
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  /** The open tunnel of a name, as soon as there is one: see `WaitQueue`. */
  waitFor(name: ServerName, options: QueueOptions): Promise<T> {
    const open = options.signal.aborted ? undefined : this.pick(name);
    return open === undefined ? this.#waiters.wait(name, options) : Promise.resolve(open);
  }

  /** To be called when nobody registers any more: who waits would wait in vain. */
  endWaits(): void {
    this.#waiters.close();
  }

  /** Calls that wait now. */
  get waiting(): number {
    return this.#waiters.size;
  }

  *#departures(): Generator<Departure> {
    for (const name of this.#idle) {
      const departure = this.#entries.get(name)?.departure;
      if (departure !== undefined) yield departure;
    }
  }

  #entry(name: ServerName, owner = ""): Entry<T> {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = {
        generation: this.#forgotten,
        tunnels: [],
        owner,
        departure: undefined,
        flap: undefined,
        flaps: 0,
        renewingUntilMs: 0,
      };
      this.#entries.set(name, entry);
      this.#setIdle(name, owner);
    }
    return entry;
  }

  #setIdle(name: ServerName, owner: string): void {
    const forgotten = this.#idle.add(name, owner);
    if (forgotten === undefined) return;
    this.#changes++;
    // Generations of a name must grow even when its entry was forgotten in between.
    this.#forgotten = Math.max(this.#forgotten, this.#entries.get(forgotten)?.generation ?? 0);
    this.#entries.delete(forgotten);
  }

  /** A name has its first tunnel, or another owner, or no tunnel any more. */
  #hold(owner: string, by: 1 | -1): void {
    this.#joint?.held.add(owner, by);
    const held = (this.#held.get(owner) ?? 0) + by;
    if (held > 0) this.#held.set(owner, held);
    else this.#held.delete(owner);
  }

  #insert(entry: Entry<T>, tunnel: T): void {
    const { info, generation } = tunnel;
    const displaced = entry.tunnels.at(-1);
    entry.generation = Math.max(entry.generation, generation);
    if (entry.tunnels.length > 0) this.#hold(entry.owner, -1);
    entry.owner = tunnel.owner ?? "";
    this.#hold(entry.owner, 1);
    entry.tunnels.push(tunnel);
    entry.renewingUntilMs = 0;
    this.#changes++;
    this.#idle.delete(info.name);
    const turn = this.#turn(entry, displaced, tunnel);
    if (displaced !== undefined && isRenewed(displaced, tunnel.info)) void displaced.drain();
    const draining = entry.tunnels.filter((old) => old !== tunnel && old.state === "draining");
    const mayDrain = draining.slice(-MAX_DRAINING);
    for (const old of entry.tunnels.filter((old) => old !== tunnel && !mayDrain.includes(old))) {
      const reason: CloseReason = {
        reason: `Displaced by a newer registration of "${info.name}" from ${info.remoteAddress}`,
        by: "hub",
      };
      this.#remove(old, reason);
      old.close(reason);
    }
    void tunnel.closed.then((reason) => this.#remove(tunnel, reason));
    this.#emit({ type: "added", tunnel });
    if (turn !== undefined) this.#emit(turn);
    this.#waiters.serve(tunnel);
  }

  #turn(entry: Entry<T>, displaced: T | undefined, tunnel: T): RegistryEvent<T> | undefined {
    if (displaced?.state !== "open") {
      entry.flap?.end();
      return undefined;
    }
    entry.flap ??= new FlapRule(this.#now);
    const turn = entry.flap.replaced(displaced.info.instance, tunnel.info.instance);
    if (turn === undefined) return undefined;
    entry.flaps++;
    return { type: "flapping", holder: tunnel.info, displaced: displaced.info, ...turn };
  }

  #remove(tunnel: T, reason: CloseReason): void {
    const { info, generation } = tunnel;
    const entry = this.#entries.get(info.name);
    const index = entry?.tunnels.indexOf(tunnel) ?? -1;
    if (entry === undefined || index < 0) {
      // Taken out before it closed: only now is it known why.
      if (entry?.departure?.generation === generation) {
        entry.departure = { ...entry.departure, reason: reason.reason };
      }
      return;
    }
    entry.tunnels.splice(index, 1);
    this.#changes++;
    // A draining one may end after the newer one that took its place.
    if (entry.departure === undefined || entry.departure.generation <= generation) {
      const { lastSeenMs, rttMs } = tunnel.stats();
      const { flaps } = entry;
      entry.departure = {
        info,
        generation,
        owner: tunnel.owner ?? "",
        lastSeenMs,
        reason: reason.reason,
        flaps,
        ...(rttMs === undefined ? {} : { rttMs }),
      };
    }
    if (entry.tunnels.length === 0) {
      if (tunnel.isRenewing) entry.renewingUntilMs = this.#now() + RENEWAL_WAIT_MS;
      entry.flap?.end();
      this.#hold(entry.owner, -1);
      this.#setIdle(info.name, entry.owner);
    }
    this.#emit({ type: "removed", tunnel, reason });
  }

  #emit(event: RegistryEvent<T>): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        getLogger(["hub", "registry"]).error("Registry listener failed: {error}", { error });
      }
    }
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether a server opens a second tunnel in place of the one that it has, since its credentials have changed. */
export function isRenewed(
  { state, info }: Pick<Tunnel, "state" | "info">,
  { renews, instance }: ServerInfo,
): boolean {
  return state === "open" && renews === true && instance !== "" && info.instance === instance;
}
