/**
 * What this hub knows of its cluster: hubs, places of servers, holders of names. It is read once in
 * pages of one revision, then followed by a watch.
 *
 *     load ──all pages──▶ view ◀──changes── watch ──away──▶ watch again from there
 *                          ▲                  └─compacted, or ten minutes are over─▶ load
 *                          └─ nobody who asks waits
 *
 * The full read each ten minutes is a check: etcd before 3.5.16 may lose a deletion that meets a
 * compaction (etcd#18089). While the engine is away the view does not change.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { backoff } from "../../shared/async/backoff.ts";
import { Complaint } from "../../shared/async/complaint.ts";
import { delay } from "../../shared/async/delay.ts";
import { type Engine, EngineError, type KeyChange } from "../engine/engine.ts";
import type { ServerName } from "../registry/tunnel.ts";
import { type ClusterKeys, generationOf } from "./keys.ts";
import {
  decodeEpoch,
  decodeHub,
  decodeName,
  decodePlace,
  type NameRecord,
  type PlaceRecord,
} from "./records.ts";
import type { HubRecord, Place, ViewChange } from "./view.ts";

/** How often everything is read, whether or not the watch says that it misses nothing. */
export const FULL_READ_MS = 600_000;
/** Records that are kept: places and names together. What is beyond is not known here. */
export const MAX_RECORDS = 500_000;
/** Full reads that begin again because the engine has compacted in the middle. */
const MAX_LOADS = 3;
const RETRY_CAP_MS = 3_000;
/** Sessions of which it is remembered when they ended. */
const MAX_ENDED = 64;

/** A record, and the revision that wrote it. */
export interface Known<T> {
  readonly record: T;
  readonly revision: number;
}

interface StoredPlace extends Known<PlaceRecord> {
  readonly session: string;
}

export interface MembershipOptions {
  readonly engine: Engine;
  readonly keys: ClusterKeys;
  /** @default FULL_READ_MS */
  readonly fullReadMs?: number;
  /** @default MAX_RECORDS */
  readonly maxRecords?: number;
}

/** What this hub knows of its cluster. */
export class Membership {
  readonly #engine: Engine;
  readonly #keys: ClusterKeys;
  readonly #fullReadMs: number;
  readonly #maxRecords: number;
  readonly #hubs = new Map<string, Known<HubRecord>>();
  readonly #places = new Map<ServerName, StoredPlace[]>();
  /** How many places each session has: those of dead ones are swept. */
  readonly #counts = new Map<string, number>();
  readonly #names = new Map<ServerName, Known<NameRecord>>();
  /** Sessions that ended while this hub looked on, and when (`Date.now()`). */
  readonly #endedMs = new Map<string, number>();
  readonly #listeners = new Set<(change: ViewChange) => void>();
  readonly #tooMany = new Complaint();
  #records = 0;
  /** From where a watch goes on; 0 before the first read. */
  #from = 0;
  #engineId = "";
  #own = "";
  #epoch: Known<number> = { record: 0, revision: 0 };
  /** A change by this hub that the watch has not shown yet. */
  #expected: { readonly revision: number; readonly sinceMs: number } | undefined;
  #lagMs = 0;
  #following: { readonly ending: AbortController; readonly done: Promise<void> } | undefined;

  constructor(options: MembershipOptions) {
    this.#engine = options.engine;
    this.#keys = options.keys;
    this.#fullReadMs = options.fullReadMs ?? FULL_READ_MS;
    this.#maxRecords = options.maxRecords ?? MAX_RECORDS;
  }

  /** Whose places are not those of other hubs. */
  set own(session: string) {
    this.#own = session;
  }

  get epoch(): Known<number> {
    return this.#epoch;
  }

  set epoch(epoch: Known<number>) {
    if (epoch.revision >= this.#epoch.revision) this.#epoch = epoch;
  }

  /** How long the watch took to show the last change by this hub that was expected of it, or takes already. */
  get lagMs(): number {
    if (this.#expected === undefined) return this.#lagMs;
    return Math.max(this.#lagMs, performance.now() - this.#expected.sinceMs);
  }

  /** This hub has changed something: the watch is going to show it. */
  expect(revision: number): void {
    if (this.#expected !== undefined || revision <= this.#from) return;
    this.#expected = { revision, sinceMs: performance.now() };
  }

  hubs(): readonly HubRecord[] {
    return [...this.#hubs.values()].map(({ record }) => record);
  }

  hub(session: string): HubRecord | undefined {
    return this.#hubs.get(session)?.record;
  }

  placesOf(name: ServerName): readonly Place[] {
    const stored = this.#places.get(name);
    if (stored === undefined) return [];
    const places: Place[] = [];
    for (const { session, record, revision } of stored) {
      const hub = this.#hubs.get(session)?.record;
      if (hub === undefined || session === this.#own) continue;
      const { tunnel, info, owner, sinceMs, epoch } = record;
      const generation = record.generation ?? generationOf(epoch, revision);
      places.push({ hub, tunnel, generation, info, owner, sinceMs });
    }
    return places;
  }

  *names(): Generator<ServerName> {
    for (const [name, stored] of this.#places) {
      const isElsewhere = ({ session }: StoredPlace) =>
        session !== this.#own && this.#hubs.has(session);
      if (stored.some(isElsewhere)) yield name;
    }
  }

  /** Which instance has or had a name. */
  holder(name: ServerName): Known<NameRecord> | undefined {
    return this.#names.get(name);
  }

  /** All names that the cluster knows, with the instance that holds or held each. */
  holders(): Iterable<[ServerName, Known<NameRecord>]> {
    return this.#names;
  }

  /** Whether a name has a place at any living hub, this one too. */
  isPlaced(name: ServerName): boolean {
    return this.#places.get(name)?.some(({ session }) => this.#hubs.has(session)) ?? false;
  }

  /** When a hub was found to be gone (`Date.now()`); `undefined` if that was not seen here. */
  endedMs(session: string): number | undefined {
    return this.#endedMs.get(session);
  }

  /** Sessions that have places and no hub. */
  deadSessions(): string[] {
    return [...this.#counts.keys()].filter((session) => !this.#hubs.has(session));
  }

  onChange(listener: (change: ViewChange) => void): Disposable {
    const own = (change: ViewChange) => listener(change);
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  /**
   * Reads everything.
   *
   * @throws {EngineError} If that cannot be done; then the view stays.
   */
  async load(): Promise<void> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#load();
      } catch (error) {
        if (!isCompacted(error) || tries === MAX_LOADS) throw error;
      }
    }
  }

  /** Follows changes, until {@linkcode stop}. To be called after {@linkcode load}. */
  start(): void {
    if (this.#following !== undefined) return;
    const ending = new AbortController();
    this.#following = { ending, done: this.#follow(ending.signal) };
  }

  async stop(): Promise<void> {
    const following = this.#following;
    this.#following = undefined;
    following?.ending.abort();
    await following?.done;
  }

  /** Takes a change, unless a later one of that key is known. */
  apply({ key, value, revision }: KeyChange): void {
    const parsed = this.#keys.parse(key);
    if (parsed === undefined) return;
    if (parsed.kind === "epoch") {
      this.epoch = { record: decodeEpoch(value), revision };
    } else if (parsed.kind === "hub") {
      this.#applyHub(parsed.session, value, revision);
    } else if (parsed.kind === "name") {
      this.#applyName(parsed.name, value, revision);
    } else this.#applyPlace(parsed, value, revision);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let isStale = false;
    for (let failures = 0; !signal.aborted;) {
      const due = AbortSignal.timeout(this.#fullReadMs);
      try {
        if (isStale) await this.load();
        isStale = false;
        const until = AbortSignal.any([signal, due]);
        for await (const changes of this.#engine.watch(this.#keys.prefix, this.#from, until)) {
          for (const change of changes) this.apply(change);
          // From this one again: the rest of its changes may not have come yet.
          this.#from = changes.at(-1)?.revision ?? this.#from;
          this.#shown(this.#from);
          failures = 0;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (due.aborted || isCompacted(error)) {
          isStale = true;
          continue;
        }
        getLogger(["hub", "cluster"]).debug("The watch ended: {error}", { error });
        await delay(backoff(failures++, { baseMs: 200, capMs: RETRY_CAP_MS }), { signal })
          .catch(() => {});
      }
    }
  }

  async #load(): Promise<void> {
    const { prefix } = this.#keys;
    const seen = new Set<string>();
    let page = await this.#engine.read(prefix);
    const { revision, engine } = page;
    if (revision < this.#from - 1 || engine !== this.#engineId) this.#forgetRevisions();
    this.#engineId = engine;
    for (;;) {
      for (const { key, value, revision } of page.entries) {
        seen.add(key);
        this.apply({ key, value, revision });
      }
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) break;
      page = await this.#engine.read(prefix, { after: last.key, at: revision });
    }
    for (const key of this.#knownKeys()) {
      if (!seen.has(key)) this.apply({ key, value: undefined, revision });
    }
    this.#from = revision + 1;
    this.#shown(revision);
  }

  #shown(revision: number): void {
    if (this.#expected === undefined || this.#expected.revision > revision) return;
    this.#lagMs = performance.now() - this.#expected.sinceMs;
    this.#expected = undefined;
  }

  /** For an engine whose revisions went back: what it says now is news. */
  #forgetRevisions(): void {
    this.#epoch = { ...this.#epoch, revision: 0 };
    for (const [session, known] of this.#hubs) this.#hubs.set(session, { ...known, revision: 0 });
    for (const [name, known] of this.#names) this.#names.set(name, { ...known, revision: 0 });
    for (const [name, stored] of this.#places) {
      this.#places.set(name, stored.map((place) => ({ ...place, revision: 0 })));
    }
  }

  *#knownKeys(): Generator<string> {
    for (const session of [...this.#hubs.keys()]) yield this.#keys.hub(session);
    for (const name of [...this.#names.keys()]) yield this.#keys.name(name);
    for (const [name, stored] of [...this.#places]) {
      for (const { session } of [...stored]) yield this.#keys.place(session, name);
    }
  }

  #applyHub(session: string, value: Uint8Array | undefined, revision: number): void {
    const known = this.#hubs.get(session);
    if (known !== undefined && known.revision >= revision) return;
    const record = value && decodeHub(session, value);
    if (record !== undefined) this.#hubs.set(session, { record, revision });
    else if (!this.#hubs.delete(session)) return;
    else this.#ended(session);
    this.#emit({ hub: session });
  }

  #ended(session: string): void {
    const [oldest] = this.#endedMs.keys();
    if (this.#endedMs.size === MAX_ENDED) this.#endedMs.delete(oldest!);
    this.#endedMs.set(session, Date.now());
  }

  #applyName(name: ServerName, value: Uint8Array | undefined, revision: number): void {
    const known = this.#names.get(name);
    if (known !== undefined && known.revision >= revision) return;
    const record = value && decodeName(name, value);
    if (record === undefined) {
      if (this.#names.delete(name)) this.#records--;
    } else {
      if (known === undefined && !this.#hasRoom()) return;
      if (known === undefined) this.#records++;
      this.#names.set(name, { record, revision });
    }
    this.#emit({ server: name });
  }

  #applyPlace(
    { session, name }: { readonly session: string; readonly name: ServerName },
    value: Uint8Array | undefined,
    revision: number,
  ): void {
    const stored = this.#places.get(name) ?? [];
    const known = stored.find((place) => place.session === session);
    if (known !== undefined && known.revision >= revision) return;
    const record = value && decodePlace(name, value);
    if (known === undefined && (record === undefined || !this.#hasRoom())) return;
    const rest = stored.filter((place) => place !== known);
    if (record !== undefined) rest.push({ session, record, revision });
    if (rest.length > 0) this.#places.set(name, rest);
    else this.#places.delete(name);
    const by = Number(record !== undefined) - Number(known !== undefined);
    this.#records += by;
    const count = (this.#counts.get(session) ?? 0) + by;
    if (count > 0) this.#counts.set(session, count);
    else this.#counts.delete(session);
    if (session !== this.#own) this.#emit({ server: name });
  }

  #hasRoom(): boolean {
    if (this.#records < this.#maxRecords) return true;
    const message =
      `The cluster has more than ${this.#maxRecords} records: the others are unknown here`;
    if (this.#tooMany.isDue(message)) getLogger(["hub", "cluster"]).error(message);
    return false;
  }

  #emit(change: ViewChange): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        getLogger(["hub", "cluster"]).error("A listener of the cluster failed: {error}", { error });
      }
    }
  }
}

function isCompacted(error: unknown): boolean {
  return error instanceof EngineError && error.fault === "compacted";
}
