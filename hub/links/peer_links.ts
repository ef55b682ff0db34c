/**
 * The links of this hub to all others of its cluster: dialled as the view names hubs, dialled again
 * when they are lost, and never cut because the view forgets a hub: calls that are on their way end
 * by themselves.
 *
 *     the view has a hub ─▶ dial ─▶ open ──lost──▶ wait, up to 5 s ─▶ dial …
 *                                    └─ the view has it no more, ids used up, GOAWAY ─▶ ends with its calls
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { backoff } from "../../shared/async/backoff.ts";
import { delay } from "../../shared/async/delay.ts";
import type { ClusterView, HubRecord, Place } from "../cluster/view.ts";
import type { PeerDialler } from "./peer_dial.ts";
import type { PeerHub } from "./peer_handshake.ts";
import type { OpenLink } from "./open_link.ts";
import { MAX_HUBS } from "./peer_limits.ts";
import type { RemoteServer } from "./remote_server.ts";

/** A hub that cannot be reached is dialled again after a random part of this at most. */
const MAX_REDIAL_MS = 5_000;
const FIRST_REDIAL_MS = 200;

/** A link, as operators see it. */
export interface LinkState {
  readonly isOpen: boolean;
  /** Why there is none; empty while it is open, or is dialled for the first time. */
  readonly reason: string;
}

/** Numbers of the links of a hub, for metrics. */
export interface LinkUsage {
  /** Other hubs to which there is a link now. */
  readonly up: number;
  /** Other hubs to which there is none. */
  readonly down: number;
  /** Of each open link: the other hub's name, and how long the last sign of life took. */
  readonly roundTrips: readonly { readonly hub: string; readonly rttMs: number }[];
}

export interface PeerLinksOptions {
  readonly view: Pick<ClusterView, "hubs" | "session" | "onChange">;
  readonly dialler: Pick<PeerDialler, "dial">;
  /** This hub, as it says itself. */
  readonly self: () => PeerHub;
  /** The others are workers of the same hub: nobody needs to hear of their links. @default false */
  readonly isOfWorkers?: boolean;
}

/** One hub of the view, and the link to it. */
interface Neighbour {
  record: HubRecord;
  readonly stop: AbortController;
  link: OpenLink | undefined;
  reason: string;
  /** Resolves when its link is kept no more. */
  kept: Promise<void> | undefined;
}

/** Keeps one link to each other hub. */
export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #neighbours = new Map<string, Neighbour>();
  /** Links that take no new calls. */
  readonly #retired = new Set<OpenLink>();
  readonly #listeners = new Set<() => void>();
  readonly #watch: Disposable;
  #tooManySaid = false;
  #closed = false;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    this.#watch = options.view.onChange(({ hub }) => {
      if (hub !== undefined) this.#look();
    });
    this.#look();
  }

  /** The way to a place; `undefined` while its hub cannot be reached from here. */
  targetOf(place: Place): RemoteServer | undefined {
    const link = this.#neighbours.get(place.hub.session)?.link;
    return link?.isOpen ? link.targetOf(place) : undefined;
  }

  /** How the link to a hub is, by the hub's session. */
  stateOf(session: string): LinkState {
    const { link, reason = "" } = this.#neighbours.get(session) ?? {};
    return { isOpen: link?.isOpen ?? false, reason };
  }

  /** The link to a hub, by its session, if it is open. */
  linkOf(session: string): OpenLink | undefined {
    const link = this.#neighbours.get(session)?.link;
    return link?.isOpen ? link : undefined;
  }

  get usage(): LinkUsage {
    let up = 0;
    const roundTrips: { hub: string; rttMs: number }[] = [];
    for (const { link } of this.#neighbours.values()) {
      if (!link?.isOpen) continue;
      up++;
      const { hub, rttMs } = link;
      if (rttMs !== undefined) roundTrips.push({ hub, rttMs });
    }
    return { up, down: this.#neighbours.size - up, roundTrips };
  }

  /** Called when a link has opened or was lost. */
  onChange(listener: () => void): Disposable {
    const own = () => listener();
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  /** Links that stand, and those that only end. */
  *open(): Generator<OpenLink> {
    for (const { link } of this.#neighbours.values()) if (link !== undefined) yield link;
    yield* this.#retired;
  }

  /** Ends all at once. Resolves when nothing of them goes on: at the latest after `GOODBYE_MS`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watch[Symbol.dispose]();
    for (const { stop } of this.#neighbours.values()) stop.abort();
    const closed = [...this.open()].map((link) => link.close("This hub goes away"));
    await Promise.all([...closed, ...[...this.#neighbours.values()].map(({ kept }) => kept)]);
  }

  /** Dials hubs that are new in the view, and gives up those that are gone. */
  #look(): void {
    if (this.#closed) return;
    const { view } = this.#options;
    const others = view.hubs().filter(({ session, peerAddress }) =>
      session !== view.session && peerAddress !== ""
    );
    const wanted = new Map(others.slice(0, MAX_HUBS).map((hub) => [hub.session, hub]));
    if (others.length > MAX_HUBS && !this.#tooManySaid) {
      this.#tooManySaid = true;
      getLogger(["hub", "links"]).error(
        "{count} other hubs are more than the {max} that a hub links with",
        { count: others.length, max: MAX_HUBS },
      );
    }
    for (const [session, neighbour] of this.#neighbours) {
      const record = wanted.get(session);
      if (record !== undefined) neighbour.record = record;
      else this.#forget(session, neighbour);
    }
    for (const [session, record] of wanted) {
      if (!this.#neighbours.has(session)) this.#add(session, record);
    }
  }

  #add(session: string, record: HubRecord): void {
    const neighbour: Neighbour = {
      record,
      stop: new AbortController(),
      link: undefined,
      reason: "",
      kept: undefined,
    };
    this.#neighbours.set(session, neighbour);
    neighbour.kept = this.#keep(neighbour);
  }

  #forget(session: string, neighbour: Neighbour): void {
    this.#neighbours.delete(session);
    neighbour.stop.abort();
    this.#retire(neighbour);
  }

  #retire(neighbour: Neighbour): void {
    const { link } = neighbour;
    neighbour.link = undefined;
    if (link === undefined || link.lost !== undefined) return;
    this.#retired.add(link);
    void link.closed.then(() => this.#retired.delete(link));
    link.retire();
    this.#tell();
  }

  async #keep(neighbour: Neighbour): Promise<void> {
    const { signal } = neighbour.stop;
    for (let failures = 0; !signal.aborted;) {
      const link = await this.#dial(neighbour);
      if (link === undefined) {
        const waitMs = backoff(failures++, { baseMs: FIRST_REDIAL_MS, capMs: MAX_REDIAL_MS });
        await delay(waitMs, { signal }).catch(() => {});
        continue;
      }
      failures = 0;
      const reason = await Promise.race([link.closed, link.wornOut]);
      if (reason === undefined) {
        this.#retire(neighbour);
        continue;
      }
      if (neighbour.link === link) neighbour.link = undefined;
      if (signal.aborted) return;
      neighbour.reason = reason;
      this.#log("warn", 'Link to hub "{hub}" was lost: {reason}', neighbour);
      this.#tell();
    }
  }

  async #dial(neighbour: Neighbour): Promise<OpenLink | undefined> {
    const { record: { session, peerAddress }, stop: { signal } } = neighbour;
    try {
      const self = this.#options.self();
      const { link, first } = await this.#options.dialler.dial(peerAddress, {
        self,
        session,
        signal,
      });
      if (signal.aborted) {
        await link.close("This hub no longer needs the link");
        return undefined;
      }
      link.run(first);
      neighbour.link = link;
      neighbour.reason = "";
      this.#log("info", 'Link to hub "{hub}" at {address} is open', neighbour);
      this.#tell();
      return link;
    } catch (error) {
      if (signal.aborted) return undefined;
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== neighbour.reason) {
        neighbour.reason = reason;
        this.#log("warn", 'No link to hub "{hub}" at {address}: {reason}', neighbour);
      }
      return undefined;
    }
  }

  #log(level: "info" | "warn", message: string, { record, reason }: Neighbour): void {
    const { name: hub, peerAddress: address } = record;
    const { isOfWorkers = false } = this.#options;
    getLogger(["hub", "links"])[isOfWorkers ? "debug" : level](message, { hub, address, reason });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
