/**
 * A hub as a member of a cluster. docs/lifecycle.md has its states as a table:
 *
 *     joining ──session, view read, tunnels claimed──▶ member ──SIGTERM──▶ leaving
 *                                          member ⇄ detached: the engine is away, or the session was lost
 *
 * Guarantees:
 * - Nothing that stands is ever cut because the engine is away: tunnels, calls and the view stay.
 * - A member's claims are the engine's. A hub that is no member registers servers provisionally, and
 *   claims them when it is one again.
 * - No generation is given twice, also when the engine was restored from a backup: its revisions went
 *   back then, and the hub that notices it raises the epoch.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { backoff } from "../../shared/async/backoff.ts";
import { Complaint } from "../../shared/async/complaint.ts";
import { deadline } from "../../shared/async/deadline.ts";
import { delay } from "../../shared/async/delay.ts";
import { type Engine, EngineError } from "../engine/engine.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { ServerInfo, ServerName, Tunnel } from "../registry/tunnel.ts";
import { EngineClaims, type RemoteFlap, tenureOf, type TunnelView } from "./claims.ts";
import { ClusterKeys, generationOf, MAX_EPOCH } from "./keys.ts";
import { Membership } from "./membership.ts";
import { decodeEpoch, encodeEpoch, encodeRecord } from "./records.ts";
import { ClusterFile, type LastLife } from "./remembered.ts";
import { SecondLook } from "./second_look.ts";
import { SharedFilesCheck } from "./shared_files.ts";
import { lostWith, Sweeper } from "./sweeper.ts";
import type {
  Claim,
  Claimed,
  Claims,
  ClusterView,
  HubRecord,
  MemberState,
  Place,
  RemoteDeparture,
  ViewChange,
} from "./view.ts";

/** A session that was not renewed for this long is over. */
export const SESSION_TTL_MS = 10_000;
/** How often it is renewed. */
export const RENEW_MS = 3_000;
/** Between two tries while the engine is away. */
const RETRY_CAP_MS = 1_000;
/** The engine is asked this often for the epoch, and what is due is looked at. */
const TICK_MS = 1_000;
const FORGET_MS = 3_600_000;
/** The first time comes sooner, because a hub may not live for an hour. */
const FIRST_FORGET_MS = 60_000;
/** How often the epoch is read again, because another hub has changed it. */
const MAX_TRIES = 5;
/** The engine may be silent for this long before the log says so. */
const SILENT_S = 2;
/** What leaving may take when the engine does not answer. */
const LEAVE_MS = 2_000;

/** What a hub says of itself; the rest of its record the cluster knows. */
export type OwnRecord = Omit<HubRecord, "session" | "state" | "sinceMs" | "fingerprints">;

export interface ClusterOptions {
  readonly engine: Engine;
  /** The cluster's name. */
  readonly cluster: string;
  readonly record: OwnRecord;
  /** Fingerprints of the files that all hubs must share; asked now and then. @default none */
  readonly fingerprints?: () => HubRecord["fingerprints"];
  readonly registry: TunnelView;
  /** @default nothing is remembered over restarts */
  readonly stateDir?: string | undefined;
  readonly onFlap?: (flap: RemoteFlap) => void;
  /** Its hubs are workers of one hub: nobody needs to hear of their coming and going. @default false */
  readonly isOfWorkers?: boolean;
  /** @default SESSION_TTL_MS */
  readonly ttlMs?: number;
  /** @default RENEW_MS */
  readonly renewMs?: number;
}

/** Numbers of a member, for metrics. */
export interface ClusterUsage {
  readonly state: MemberState;
  /** For how long the engine could not be asked. */
  readonly engineAwayS: number;
  readonly hubs: number;
  /** How long the last renewal of the session took at the engine. */
  readonly engineRoundTripS: number;
  /** How long the watch took to show a claim of this hub, or takes already. */
  readonly viewLagS: number;
  /** Tunnels whose names are not claimed yet. */
  readonly provisional: number;
  /** Why it is no member; empty for one. */
  readonly fault: string;
}

/** A hub as a member of a cluster. */
export class Cluster implements ClusterView, Claims, AsyncDisposable {
  readonly #options: ClusterOptions & { readonly ttlMs: number; readonly renewMs: number };
  readonly #engine: Engine;
  readonly #keys: ClusterKeys;
  readonly #membership: Membership;
  readonly #claims: EngineClaims;
  readonly #sweeper: Sweeper;
  readonly #secondLook: SecondLook;
  readonly #file: ClusterFile;
  readonly #log = getLogger(["hub", "cluster"]);
  readonly #away = new Complaint();
  readonly #closing = new AbortController();
  readonly #highest = { generation: 0 };
  readonly #sinceMs = Date.now();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #running: Promise<void>;
  #remembered: LastLife | undefined;
  #record: OwnRecord;
  #fingerprints: HubRecord["fingerprints"] = {};
  readonly #differences = new SharedFilesCheck();
  #session: string | undefined;
  /** The session with which it joins: it must not take its own record for that of another hub. */
  #joining: string | undefined;
  /** The view was read and all tunnels were asked for, in this session. */
  #hasBegun = false;
  #epochRevision = 0;
  #isMember = false;
  #wasMember = false;
  #isLeaving = false;
  #renewedMs = -Infinity;
  #roundTripMs = 0;
  #memberMs = performance.now();
  #forgetMs = performance.now() + FIRST_FORGET_MS;
  #fault = "";
  #rejoin: string | undefined;
  #wake = () => {};

  constructor(options: ClusterOptions) {
    this.#options = { ttlMs: SESSION_TTL_MS, renewMs: RENEW_MS, ...options };
    const { engine, cluster, record, registry, stateDir } = options;
    this.#engine = engine;
    this.#record = record;
    this.#fingerprints = options.fingerprints?.() ?? {};
    this.#keys = new ClusterKeys(cluster);
    const parts = { engine, keys: this.#keys };
    this.#membership = new Membership(parts);
    this.#sweeper = new Sweeper({
      ...parts,
      membership: this.#membership,
      signal: this.#closing.signal,
    });
    this.#secondLook = new SecondLook({ ...parts, membership: this.#membership });
    this.#claims = new EngineClaims({
      ...parts,
      membership: this.#membership,
      registry,
      hub: record.name,
      highest: this.#highest,
      session: () => this.#isUsable ? this.#session : undefined,
      onRejoin: (why) => this.#joinAgain(why),
      onFlap: (flap) => this.#options.onFlap?.(flap),
    });
    this.#membership.onChange(({ server }) => {
      if (server !== undefined) this.#claims.yieldTo(server);
    });
    this.#file = new ClusterFile(stateDir);
    this.#remembered = this.#file.read(cluster);
    this.#highest.generation = this.#remembered?.generation ?? 0;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#running = this.#run();
  }

  get state(): MemberState {
    if (this.#isLeaving) return "leaving";
    if (this.#isMember && this.#isUsable && this.#claims.fault === undefined) return "member";
    return this.#wasMember ? "detached" : "joining";
  }

  /** This hub's name. */
  get hub(): string {
    return this.#record.name;
  }

  get session(): string | undefined {
    return this.#session ?? this.#joining;
  }

  get usage(): ClusterUsage {
    const state = this.state;
    const isAway = state === "detached" || state === "joining";
    return {
      state,
      engineAwayS: isAway ? (performance.now() - this.#memberMs) / 1000 : 0,
      hubs: this.#membership.hubs().length,
      engineRoundTripS: this.#roundTripMs / 1000,
      viewLagS: this.#membership.lagMs / 1000,
      provisional: this.#claims.pending,
      fault: isAway ? this.#fault || this.#claims.fault || "" : "",
    };
  }

  hubs(): readonly HubRecord[] {
    return this.#membership.hubs();
  }

  placesOf(name: ServerName): readonly Place[] {
    return this.#membership.placesOf(name);
  }

  names(): Iterable<ServerName> {
    return this.#membership.names();
  }

  departureOf(name: ServerName): RemoteDeparture | undefined {
    const known = this.#membership.holder(name);
    if (known === undefined) return undefined;
    const { info, owner, flaps, session, hub } = known.record;
    const endedMs = this.#membership.endedMs(session);
    // Until the sweep has written it down.
    const isLost = endedMs !== undefined && !this.#membership.isPlaced(name);
    const left = known.record.left ?? (isLost ? lostWith(hub, endedMs) : undefined);
    return { info, owner, generation: tenureOf(known), left, flaps };
  }

  *departures(): Generator<RemoteDeparture> {
    for (const [name] of this.#membership.holders()) {
      const departure = this.departureOf(name);
      if (departure?.left !== undefined) yield departure;
    }
  }

  onChange(listener: (change: ViewChange) => void): Disposable {
    return this.#membership.onChange(listener);
  }

  /** To be told when another hub has not the tunnel of a server that it should have: the view may be old. */
  lookAgain(name: ServerName): void {
    if (!this.#closing.signal.aborted) this.#secondLook.look(name);
  }

  claim(info: ServerInfo, claimed: Claimed): Promise<Claim | Refusal> | Claim | Refusal {
    return this.#claims.claim(info, claimed);
  }

  release(tunnel: Pick<Tunnel, "id" | "info" | "isRenewing" | "closed">): void {
    this.#claims.opened(tunnel);
    void tunnel.closed.then(({ reason }) => this.#claims.release(tunnel, reason));
  }

  /** Says something else of this hub from now on. */
  async describe(record: Partial<OwnRecord>): Promise<void> {
    this.#record = { ...this.#record, ...record };
    if (this.#session !== undefined) await this.#putRecord(this.#session);
  }

  /** Tells the others that this hub drains, before its servers hear of it. Waits at most two seconds. */
  async leave(): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    const session = this.#session;
    if (session === undefined) return;
    await this.#within("to say that this hub drains", this.#putRecord(session));
  }

  /** Ends the session. Tunnels that are still there are other hubs' to sweep. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return await this.#running;
    const session = this.#session;
    if (session !== undefined) await this.#within("departures", this.#claims.untilLeft());
    this.#isLeaving = true;
    this.#closing.abort();
    clearInterval(this.#timer);
    this.#wake();
    await this.#membership.stop();
    if (session !== undefined) {
      const ended = this.#engine.revoke(session).then(() => this.#remember(""));
      await this.#within("to end the session", ended);
    }
    await this.#engine[Symbol.asyncDispose]();
    await this.#running;
  }

  /** Whether the engine can be asked: our session is there, as far as we know. */
  get #isUsable(): boolean {
    return this.#hasBegun && this.#rejoin === undefined &&
      performance.now() - this.#renewedMs < this.#options.ttlMs * 2 / 3;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted;) {
      try {
        if (this.#rejoin !== undefined) await this.#abandon(this.#rejoin);
        if (this.#session === undefined) await this.#join();
        else await this.#renew();
        this.#fault = "";
        failures = 0;
        if (this.#rejoin === undefined) await this.#pause(this.#options.renewMs);
      } catch (error) {
        if (signal.aborted) return;
        this.#fault = error instanceof Error ? error.message : String(error);
        if (!(error instanceof EngineError)) {
          this.#log.error("The cluster hit an unexpected error: {error}", { error });
        }
        await this.#pause(backoff(failures++, { baseMs: 200, capMs: RETRY_CAP_MS }));
      }
    }
  }

  async #join(): Promise<void> {
    const { ttlMs, cluster } = this.#options;
    const epoch = await this.#checkEpoch();
    const last = this.#remembered;
    if (last !== undefined && last.session !== "") await this.#engine.revoke(last.session);
    const askedMs = performance.now();
    const session = await this.#engine.session(ttlMs);
    this.#joining = session;
    await this.#putRecord(session);
    this.#membership.own = session;
    await this.#membership.stop();
    await this.#membership.load();
    this.#membership.epoch = epoch;
    this.#session = session;
    this.#renewedMs = askedMs;
    this.#membership.start();
    this.#claims.begin();
    this.#hasBegun = true;
    this.#remember(session);
    this.#log[this.#options.isOfWorkers ? "debug" : "info"](
      'Joined cluster "{cluster}" with session {session}: {hubs} hubs',
      {
        cluster,
        session,
        hubs: this.#membership.hubs().length,
      },
    );
    void this.#look();
  }

  async #renew(): Promise<void> {
    const session = this.#session!;
    const askedMs = performance.now();
    const isThere = await this.#engine.renew(session);
    this.#roundTripMs = performance.now() - askedMs;
    if (!isThere) return this.#joinAgain("Its session has ended");
    await this.#checkEpoch();
    await this.#lookAtFiles(session);
    this.#renewedMs = askedMs;
    this.#remember(session);
    void this.#look();
  }

  /**
   * Looks whether the engine is the one that it was and has not gone back, and raises the epoch if so.
   *
   * @returns The epoch that counts now.
   */
  async #checkEpoch(): Promise<{ record: number; revision: number }> {
    const key = this.#keys.epoch;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const before = this.#highest.generation;
      const page = await this.#engine.read(key, { limit: 1 });
      const [entry] = page.entries;
      const epoch = decodeEpoch(entry?.value);
      const isOther = this.#remembered !== undefined && this.#remembered.engine !== page.engine;
      const isBack = generationOf(epoch, page.revision) < before;
      if (epoch > 0 && !isOther && !isBack) {
        const hasChanged = entry!.revision !== this.#epochRevision;
        if (this.#session !== undefined && hasChanged) this.#joinAgain("The epoch has changed");
        this.#epochRevision = entry!.revision;
        this.#highest.generation = Math.max(before, generationOf(epoch, page.revision));
        this.#remembered ??= this.#asRemembered("", page.engine);
        return { record: epoch, revision: entry!.revision };
      }
      const highest = Math.floor(before / generationOf(1, 0));
      const next = Math.min(MAX_EPOCH, Math.max(epoch, isBack || isOther ? highest : 0) + 1);
      if (isBack || isOther) {
        const why = isOther ? "it is another one" : "its revisions have gone back";
        this.#log.error(
          "The cluster's engine was restored or set up again ({why}): epoch {next} begins",
          { why, next },
        );
        if (this.#session !== undefined) this.#joinAgain("The engine was restored");
      }
      const conditions = [{ key, revision: entry?.revision ?? 0 }];
      await this.#engine.commit({ conditions, writes: [{ put: key, value: encodeEpoch(next) }] });
      if (isOther) this.#remembered = this.#asRemembered("", page.engine);
    }
    throw new EngineError("broken", "The epoch cannot be raised");
  }

  /** Tells of files that have changed, and of hubs that have other ones. */
  async #lookAtFiles(session: string): Promise<void> {
    const now = this.#options.fingerprints?.() ?? {};
    const hasChanged = JSON.stringify(now) !== JSON.stringify(this.#fingerprints);
    this.#fingerprints = now;
    if (hasChanged) await this.#putRecord(session);
    this.#differences.look(session, this.#membership.hubs());
  }

  /** Ends this life in the cluster; the next one begins at once. */
  #joinAgain(why: string): void {
    this.#rejoin ??= why;
    this.#isMember = false;
    this.#wake();
  }

  async #abandon(why: string): Promise<void> {
    const session = this.#session;
    this.#log.warn("This hub joins its cluster again: {why}", { why });
    this.#hasBegun = false;
    this.#session = this.#joining = undefined;
    this.#rejoin = undefined;
    if (session !== undefined) await this.#engine.revoke(session);
  }

  #putRecord(session: string): Promise<unknown> {
    const { session: _none, ...record }: HubRecord = {
      ...this.#record,
      session,
      state: this.#isLeaving ? "draining" : "open",
      sinceMs: this.#sinceMs,
      fingerprints: this.#fingerprints,
    };
    const put = this.#keys.hub(session);
    return this.#engine.commit({
      conditions: [],
      writes: [{ put, value: encodeRecord(record), session }],
    });
  }

  /** Claims what is pending; when nothing is, this hub is a member. */
  async #look(): Promise<void> {
    await this.#claims.settle();
    const session = this.#session;
    if (session === undefined || !this.#isUsable || this.#claims.pending > 0) return;
    if (this.#claims.fault !== undefined) {
      // It may answer reads and take no writes, because its disk is full.
      try {
        await this.#putRecord(session);
        this.#claims.heal();
      } catch {
        return; // The fault is still the one that is told.
      }
    }
    if (this.#isMember) return;
    this.#isMember = true;
    if (this.#wasMember) this.#log.info("This hub is a member of its cluster again");
    this.#wasMember = true;
    this.#away.settle();
  }

  #tick(): void {
    const { state } = this;
    if (state === "member") this.#memberMs = performance.now();
    if (state === "detached" || state === "joining") {
      if (this.usage.engineAwayS > SILENT_S && this.#away.isDue(state)) {
        this.#log.warn(
          "This hub cannot ask its cluster's engine, and goes on with what it knows: {fault}",
          { fault: this.usage.fault || "it has not answered yet" },
        );
      }
    }
    const session = this.#session;
    if (session === undefined || !this.#isUsable) return;
    if (this.#claims.pending > 0 || this.#claims.fault !== undefined) void this.#look();
    void this.#claims.untilLeft();
    if (state !== "member") return;
    this.#sweeper.sweep(session);
    if (performance.now() < this.#forgetMs) return;
    this.#forgetMs = performance.now() + FORGET_MS;
    this.#sweeper.forget(session, Date.now()).catch((error) =>
      this.#log.debug("Names could not be forgotten: {error}", { error })
    );
  }

  #asRemembered(session: string, engine: string): LastLife {
    const { generation } = this.#highest;
    return { cluster: this.#options.cluster, engine, session, generation };
  }

  #remember(session: string): void {
    if (this.#remembered === undefined) return;
    this.#remembered = this.#asRemembered(session, this.#remembered.engine);
    this.#file.write(this.#remembered);
  }

  async #pause(ms: number): Promise<void> {
    const ending = new AbortController();
    this.#wake = () => ending.abort();
    if (this.#closing.signal.aborted || this.#rejoin !== undefined) return;
    await delay(ms, { signal: ending.signal }).catch(() => {});
  }

  async #within(what: string, promise: Promise<unknown>): Promise<void> {
    await deadline(promise, LEAVE_MS, { what }).catch((error) =>
      this.#log.warn("The cluster's engine did not answer {what}: {error}", { what, error })
    );
  }
}
