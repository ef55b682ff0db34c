/**
 * Claims of names, as transactions at the engine: it decides which of two instances has a name, and gives
 * each tunnel its generation.
 *
 * | transaction | if                                              | then                          |
 * | ----------- | ----------------------------------------------- | ----------------------------- |
 * | claim       | our session is there, epoch and name unchanged  | put place, put name if need be |
 * | leave       | the place is this tunnel's                      | delete it, put the departure  |
 *
 * A hub that cannot ask the engine takes servers provisionally: a name that is unknown, or away, or whose
 * instance is the one that it knows. Such a tunnel carries calls like any other, but is known to this hub
 * alone, until `settle` claims its name.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { deadline, TimeoutError } from "../../shared/async/deadline.ts";
import { type Engine, EngineError, type Write } from "../engine/engine.ts";
import { NO_TURNS, type Turn, withNewcomer, withTurn } from "../registry/flap_rule.ts";
import type { Refusal } from "../registry/refusal.ts";
import type { ServerInfo, ServerName, Tunnel } from "../registry/tunnel.ts";
import { type ClusterKeys, generationOf } from "./keys.ts";
import type { Known, Membership } from "./membership.ts";
import { encodeRecord, type LeftRecord, type NameRecord, type PlaceRecord } from "./records.ts";
import type { Claim, Claimed } from "./view.ts";

/** A registration waits this long for the engine; then it is provisional. A new leader takes 1–3 s. */
export const CLAIM_MS = 3_000;
/** How often a claim is judged again because somebody else was faster. */
const MAX_TRIES = 5;
/** Claims and departures under way at once, when there are many. */
const MAX_AT_ONCE = 64;
/** Places of standing tunnels in one transaction. */
const BATCH = 40;
const RETRY_UNDECIDED_S = 10;
const RETRY_BUSY_S = 1;
const RETRY_FLAPPING_S = 60;

/** What claims need of the registry. `Registry` fits. */
export interface TunnelView {
  pick(name: ServerName): Tunnel | undefined;
  tunnels(): Iterable<Tunnel>;
  nextGeneration(name: ServerName): number;
  flaps(name: ServerName): number;
  noteFlaps(name: ServerName, flaps: number): void;
}

/** Two living instances that fight over one name, at different hubs. */
export interface RemoteFlap extends Turn {
  readonly holder: ServerInfo;
  readonly displaced: ServerInfo;
}

export interface EngineClaimsOptions {
  readonly engine: Engine;
  readonly keys: ClusterKeys;
  readonly membership: Membership;
  readonly registry: TunnelView;
  /** This hub's name. */
  readonly hub: string;
  /** This hub's session, if the engine can be asked now. */
  readonly session: () => string | undefined;
  /** The highest generation that was seen: a lower one tells that the engine's revisions went back. */
  readonly highest: { generation: number };
  /** The engine says that the session has ended, or that the epoch is another one. */
  readonly onRejoin: (why: string) => void;
  readonly onFlap: (flap: RemoteFlap) => void;
  /** @default CLAIM_MS */
  readonly claimMs?: number;
}

/** A claim of a name for a tunnel that stands already, or is about to open. */
interface Asked extends Claimed {
  readonly info: ServerInfo;
  readonly sinceMs: number;
  /** The generation that the engine gave to this tunnel before: the tunnel keeps it. */
  readonly generation?: number;
}

/** What is to be done about a claim. */
type Verdict =
  | { readonly refusal: Refusal; readonly record?: NameRecord }
  | { readonly record: NameRecord | undefined; readonly flap?: RemoteFlap };

interface Leaving {
  readonly name: ServerName;
  readonly instance: string;
  readonly revision: number;
  readonly left: LeftRecord;
}

/** Claims of one hub. */
export class EngineClaims {
  readonly #options: EngineClaimsOptions;
  /** Our places: which tunnel, and the revision that wrote it. */
  readonly #places = new Map<ServerName, { readonly tunnel: string; readonly revision: number }>();
  /** Tunnels whose names are to be claimed, by id. */
  readonly #pending = new Map<string, { readonly isProvisional: boolean }>();
  readonly #leaving = new Map<ServerName, Leaving>();
  /** Claims of tunnels that did not wait for them any longer, until they end. */
  readonly #late = new Map<string, Promise<void>>();
  #fault: string | undefined;
  #settling: Promise<void> | undefined;
  #parting: Promise<void> | undefined;

  constructor(options: EngineClaimsOptions) {
    this.#options = options;
  }

  /** Tunnels whose names are not claimed yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Why the engine did not take the last claim; `undefined` when it did. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** The engine takes writes again. */
  heal(): void {
    this.#fault = undefined;
  }

  claim(info: ServerInfo, claimed: Claimed): Promise<Claim | Refusal> | Claim | Refusal {
    const asked = { ...claimed, info, sinceMs: Date.now() };
    if (this.#options.session() === undefined) return this.#provisional(asked);
    return this.#ask(asked);
  }

  /** To be told of a tunnel that has opened: the registry shows what all hubs have seen of its name. */
  opened({ info: { name } }: Pick<Tunnel, "info">): void {
    const { membership, registry } = this.#options;
    registry.noteFlaps(name, membership.holder(name)?.record.flaps ?? 0);
  }

  /** To be told of a tunnel that has ended, and why. */
  release(tunnel: Pick<Tunnel, "id" | "info" | "isRenewing">, reason: string): void {
    const { id, info: { name, instance }, isRenewing = false } = tunnel;
    this.#pending.delete(id);
    const late = this.#late.get(id);
    // It may still get its place.
    if (late !== undefined) return void late.then(() => this.release(tunnel, reason));
    const place = this.#places.get(name);
    if (place?.tunnel !== id) return;
    this.#places.delete(name);
    const { revision } = place;
    // Also while the engine is away: the session, and with it the place, may outlast that.
    const { hub } = this.#options;
    const left = { atMs: Date.now(), reason, hub, ...(isRenewing && { isRenewing }) };
    this.#leaving.set(name, { name, instance, revision, left });
    void this.untilLeft();
  }

  /** A new session has no places yet: all tunnels that stand are claimed for it. */
  begin(): void {
    this.#places.clear();
    this.#leaving.clear();
    const newest = new Map<ServerName, Tunnel>();
    for (const tunnel of this.#options.registry.tunnels()) newest.set(tunnel.info.name, tunnel);
    for (const { id } of newest.values()) {
      if (!this.#pending.has(id)) this.#pending.set(id, { isProvisional: false });
    }
  }

  /** Claims what is pending, as far as it can be. Never rejects. */
  settle(): Promise<void> {
    this.#settling ??= this.#settle()
      .catch((error) => this.#note(error))
      .finally(() => this.#settling = undefined);
    return this.#settling;
  }

  /** Closes the tunnel of a name that another instance has registered at another hub since. */
  yieldTo(name: ServerName): void {
    const { membership, registry } = this.#options;
    const tunnel = registry.pick(name);
    const known = membership.holder(name);
    if (tunnel === undefined || known === undefined || this.#pending.has(tunnel.id)) return;
    const { record } = known;
    if (isSame(record.info, tunnel.info) || record.session === this.#options.session()) return;
    if (tenureOf(known) <= tunnel.generation) return;
    tunnel.close({ reason: displacedBy(record), by: "hub" });
  }

  async #ask(asked: Asked): Promise<Claim | Refusal> {
    const { claimMs = CLAIM_MS } = this.#options;
    const { tunnel, info } = asked;
    const answered = this.#commit(asked);
    try {
      const answer = await deadline(answered, claimMs, { what: "claim" });
      this.#fault = undefined;
      return answer;
    } catch (error) {
      this.#note(error);
      const over = () => void this.#late.delete(tunnel);
      if (error instanceof TimeoutError) this.#late.set(tunnel, answered.then(over, over));
      const claim = this.#provisional(asked);
      if ("status" in claim) this.release({ id: tunnel, info }, claim.message);
      return claim;
    }
  }

  #note(error: unknown): void {
    this.#fault = error instanceof Error ? error.message : String(error);
    if (error instanceof EngineError || error instanceof TimeoutError) return;
    getLogger(["hub", "cluster"]).error("A claim hit an unexpected error: {error}", { error });
  }

  /** What can be said without the engine. */
  #provisional({ info, tunnel }: Asked): Claim | Refusal {
    const { name } = info;
    const { membership, registry } = this.#options;
    const other = membership.placesOf(name).find((place) => !isSame(place.info, info));
    if (other !== undefined) {
      return {
        status: 503,
        code: "UNAVAILABLE",
        message:
          `Cannot register "${name}": hub "${other.hub.name}" has it for another instance at ` +
          `${other.info.remoteAddress}, and the cluster's engine cannot be asked now`,
        retryAfterS: RETRY_UNDECIDED_S,
      };
    }
    this.#pending.set(tunnel, { isProvisional: true });
    return { generation: registry.nextGeneration(name) };
  }

  /** @throws {EngineError} If the engine does not decide. */
  async #commit(asked: Asked): Promise<Claim | Refusal> {
    const { engine, keys, membership, highest } = this.#options;
    const { info: { name }, tunnel } = asked;
    let known = membership.holder(name);
    let nameRevision = known?.revision ?? 0;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const session = this.#options.session();
      if (session === undefined) throw new EngineError("no session", "This hub has no session");
      const { epoch } = membership;
      const verdict = this.#judge(asked, known);
      if ("refusal" in verdict) {
        if (verdict.record !== undefined) this.#remember(name, verdict.record, known);
        return verdict.refusal;
      }
      const placeKey = keys.place(session, name);
      const expected = this.#places.get(name)?.revision ?? this.#leaving.get(name)?.revision ?? 0;
      const before = highest.generation;
      const commit = await engine.commit({
        conditions: [
          { key: keys.hub(session), exists: true },
          { key: keys.epoch, revision: epoch.revision },
          { key: keys.name(name), revision: nameRevision },
          { key: placeKey, revision: expected },
        ],
        writes: this.#writes(asked, { session, epoch: epoch.record, record: verdict.record }),
        otherwise: [keys.hub(session), keys.epoch, keys.name(name), placeKey],
      });
      if (commit.ok) {
        membership.expect(commit.revision);
        const generation = generationOf(epoch.record, commit.revision);
        if (generation <= before) throw this.#restored();
        highest.generation = Math.max(highest.generation, generation);
        this.#placed(name, tunnel, commit.revision, generation);
        if (verdict.record !== undefined) this.#learn(name, verdict.record, commit.revision);
        if (verdict.flap !== undefined) this.#options.onFlap(verdict.flap);
        this.#makeWay(name, { tunnel, generation });
        return { generation: asked.generation ?? generation };
      }
      const [hub, epochNow, nameNow, placeNow] = commit.now;
      if (hub === undefined) throw this.#rejoin("Its session has ended");
      if (epochNow?.revision !== epoch.revision) throw this.#rejoin("The epoch has changed");
      const key = keys.name(name);
      membership.apply(nameNow ?? { key, value: undefined, revision: commit.revision });
      known = membership.holder(name);
      // Its own one: what lies there may be no record that can be read.
      nameRevision = nameNow?.revision ?? 0;
      if (placeNow === undefined) this.#places.delete(name);
      else this.#places.set(name, { tunnel: "", revision: placeNow.revision });
      this.#leaving.delete(name);
    }
    return busy(name);
  }

  #restored(): EngineError {
    return this.#rejoin("The engine's revisions have gone back");
  }

  #rejoin(why: string): EngineError {
    this.#options.onRejoin(why);
    return new EngineError("no session", `${why}: this hub joins again`);
  }

  /** Who has the name, by what is known now. */
  #judge(asked: Asked, known: Known<NameRecord> | undefined): Verdict {
    const { info } = asked;
    const record = known?.record;
    if (known === undefined || record === undefined) {
      // A cluster may be new, and this hub not.
      const flaps = this.#options.registry.flaps(info.name);
      return { record: { ...this.#tenure(asked), flaps } };
    }
    if (isSame(record.info, info)) {
      const isUnchanged = record.left === undefined && isEqual(record.info, info) &&
        this.#options.membership.hub(record.session) !== undefined;
      if (isUnchanged) return { record: undefined };
      const { left: _left, ...rest } = this.#tenure(asked);
      const { flap, flaps } = record;
      return { record: { ...rest, tenure: tenureOf(known), flap, flaps } };
    }
    const other = this.#livingHolder(record);
    if (other === undefined) return { record: { ...this.#tenure(asked), flaps: record.flaps } };
    const { generation } = asked;
    if (generation !== undefined) {
      if (tenureOf(known) > generation) return { refusal: lost(record) };
      return { record: { ...this.#tenure(asked), flaps: record.flaps, flap: record.flap } };
    }
    const { instance: newcomer } = info;
    const contenders = { holder: record.info.instance, newcomer, nowMs: Date.now() };
    const { history, refused } = withNewcomer(record.flap, contenders);
    if (refused) {
      return {
        refusal: flapping(record),
        record: { ...record, tenure: tenureOf(known), flap: history },
      };
    }
    const { history: flap, turn } = withTurn(history, contenders);
    const flaps = record.flaps + Number(turn !== undefined);
    const next = { ...this.#tenure(asked), flap, flaps };
    // A fight at this hub is seen by the registry.
    if (turn === undefined || other === "here") return { record: next };
    return { record: next, flap: { holder: info, displaced: record.info, ...turn } };
  }

  /** Where the instance that has a name has a tunnel, as far as this hub knows. */
  #livingHolder(record: NameRecord): "here" | "elsewhere" | undefined {
    const { membership, registry, session } = this.#options;
    const { name } = record.info;
    const own = registry.pick(name);
    if (own !== undefined && isSame(own.info, record.info)) return "here";
    if (membership.placesOf(name).some(({ info }) => isSame(info, record.info))) return "elsewhere";
    if (record.left !== undefined || record.session === session()) return undefined;
    // Its place may be on its way to us.
    return membership.hub(record.session) === undefined ? undefined : "elsewhere";
  }

  #tenure({ info, owner, sinceMs }: Asked): NameRecord {
    const session = this.#options.session() ?? "";
    const epoch = this.#options.membership.epoch.record;
    const { hub } = this.#options;
    return { info, owner, session, hub, sinceMs, epoch, flap: NO_TURNS, flaps: 0 };
  }

  #writes(
    { info, owner, tunnel, sinceMs, generation }: Asked,
    { session, epoch, record }: {
      readonly session: string;
      readonly epoch: number;
      readonly record: NameRecord | undefined;
    },
  ): Write[] {
    const { keys } = this.#options;
    const place: PlaceRecord = {
      tunnel,
      info,
      owner,
      sinceMs,
      epoch,
      ...(generation !== undefined && { generation }),
    };
    return [
      { put: keys.place(session, info.name), value: encodeRecord(place) },
      ...(record === undefined ? [] : [{ put: keys.name(info.name), value: encodeRecord(record) }]),
    ];
  }

  /** @param generation What the engine gave, if the tunnel is to have it. */
  #placed(name: ServerName, tunnel: string, revision: number, generation?: number): void {
    this.#leaving.delete(name);
    const known = this.#places.get(name);
    if (known === undefined || known.revision < revision) {
      this.#places.set(name, { tunnel, revision });
    }
    if (this.#pending.get(tunnel)?.isProvisional) {
      // The claim came too late for its registration, but it came.
      const open = this.#options.registry.pick(name);
      // About to open: it stays pending, and is claimed once more.
      if (open?.id !== tunnel) return;
      if (generation !== undefined) open.confirm?.(generation);
    }
    this.#pending.delete(tunnel);
  }

  /** The next claim of that name needs not wait for the watch to tell. */
  #learn(name: ServerName, record: NameRecord, revision: number): void {
    const { keys, membership } = this.#options;
    membership.apply({ key: keys.name(name), value: encodeRecord(record), revision });
  }

  /** A provisional tunnel may have counted on beyond what the engine gives. */
  #makeWay(name: ServerName, to: { readonly tunnel: string; readonly generation: number }): void {
    const current = this.#options.registry.pick(name);
    if (current === undefined || current.id === to.tunnel) return;
    if (current.generation >= to.generation) current.confirm?.(to.generation - 1);
  }

  /** Notes that a contender has tried; if somebody else writes at the same time, that is as good. */
  #remember(name: ServerName, record: NameRecord, known: Known<NameRecord> | undefined): void {
    const { engine, keys } = this.#options;
    const key = keys.name(name);
    void engine.commit({
      conditions: [{ key, revision: known?.revision ?? 0 }],
      writes: [{ put: key, value: encodeRecord(record) }],
    }).then((commit) => commit.ok && this.#learn(name, record, commit.revision), () => {});
  }

  async #settle(): Promise<void> {
    const standing: Tunnel[] = [];
    const provisional: Tunnel[] = [];
    for (const tunnel of this.#options.registry.tunnels()) {
      const pending = this.#pending.get(tunnel.id);
      if (pending !== undefined) (pending.isProvisional ? provisional : standing).push(tunnel);
    }
    const batches: Tunnel[][] = [];
    while (standing.length > 0) batches.push(standing.splice(0, BATCH));
    await atOnce(batches, 4, (batch) => this.#settleBatch(batch));
    await atOnce(
      provisional,
      MAX_AT_ONCE,
      (tunnel) => this.#settleOne(tunnel, { isProvisional: true }),
    );
  }

  /** Standing tunnels of which nobody disputes the names: all at once. The others one by one. */
  async #settleBatch(batch: readonly Tunnel[]): Promise<void> {
    const { engine, keys, membership } = this.#options;
    const session = this.#options.session();
    if (session === undefined) throw new EngineError("no session", "This hub has no session");
    const { epoch } = membership;
    const quick: Tunnel[] = [];
    const rest: Tunnel[] = [];
    for (const tunnel of batch) {
      const record = membership.holder(tunnel.info.name)?.record;
      const isOurs = record !== undefined && isSame(record.info, tunnel.info) &&
        record.left === undefined && !this.#places.has(tunnel.info.name);
      (isOurs ? quick : rest).push(tunnel);
    }
    const commit = quick.length === 0 ? undefined : await engine.commit({
      conditions: [
        { key: keys.hub(session), exists: true },
        { key: keys.epoch, revision: epoch.revision },
        ...quick.flatMap(({ info: { name } }) => [
          { key: keys.name(name), revision: membership.holder(name)?.revision ?? 0 },
          { key: keys.place(session, name), revision: 0 },
        ]),
      ],
      writes: quick.flatMap((tunnel) =>
        this.#writes(askedOf(tunnel), { session, epoch: epoch.record, record: undefined })
      ),
    });
    if (commit?.ok) {
      for (const { id, info: { name } } of quick) this.#placed(name, id, commit.revision);
      this.#releaseEnded(quick);
      this.#fault = undefined;
    } else rest.push(...quick);
    await atOnce(rest, MAX_AT_ONCE, (tunnel) => this.#settleOne(tunnel, { isProvisional: false }));
  }

  async #settleOne(
    tunnel: Tunnel,
    { isProvisional }: { readonly isProvisional: boolean },
  ): Promise<void> {
    if (!this.#pending.has(tunnel.id)) return;
    const newest = this.#options.registry.pick(tunnel.info.name);
    if (tunnel.state === "closed" || (newest !== undefined && newest !== tunnel)) {
      this.#pending.delete(tunnel.id);
      return;
    }
    const { generation: _generation, ...asked } = askedOf(tunnel);
    const answer = await this.#commit(isProvisional ? asked : askedOf(tunnel));
    this.#fault = undefined;
    if ("status" in answer) {
      this.#pending.delete(tunnel.id);
      if (answer.code !== "UNAVAILABLE" || answer.retryAfterS !== RETRY_BUSY_S) {
        tunnel.close({ reason: answer.message, by: "hub" });
      } else this.#pending.set(tunnel.id, { isProvisional });
      return;
    }
    if (isProvisional) tunnel.confirm?.(answer.generation);
    this.#pending.delete(tunnel.id);
    this.#releaseEnded([tunnel]);
  }

  /** Those that have ended while their claims were under way. */
  #releaseEnded(tunnels: readonly Tunnel[]): void {
    for (const tunnel of tunnels) {
      if (tunnel.state === "closed") {
        void tunnel.closed.then(({ reason }) => this.release(tunnel, reason));
      }
    }
  }

  /** Tells the engine of all departures, as far as it takes them. Never rejects. */
  untilLeft(): Promise<void> {
    this.#parting ??= this.#leave()
      .catch((error) => this.#note(error))
      .finally(() => this.#parting = undefined);
    return this.#parting;
  }

  async #leave(): Promise<void> {
    while (this.#leaving.size > 0) {
      const session = this.#options.session();
      if (session === undefined) return;
      const some = [...this.#leaving.values()].slice(0, MAX_AT_ONCE);
      await Promise.all(some.map((leaving) => this.#leaveOne(leaving, session)));
    }
  }

  async #leaveOne(leaving: Leaving, session: string): Promise<void> {
    const { engine, keys, membership } = this.#options;
    const { name, instance, revision, left } = leaving;
    const key = keys.place(session, name);
    const known = membership.holder(name);
    const tenant = known?.record.session;
    // Another hub that has had it before is still its tenant if it came here while that one had it.
    const isLast = membership.placesOf(name).length === 0;
    const isTenant = known !== undefined && known.record.info.instance === instance &&
      (tenant === session || isLast || membership.hub(tenant ?? "") === undefined);
    const record = isTenant && { ...known.record, tenure: tenureOf(known), left };
    const commit = record && await engine.commit({
      conditions: [{ key, revision }, { key: keys.name(name), revision: known!.revision }],
      writes: [{ delete: key }, { put: keys.name(name), value: encodeRecord(record) }],
    });
    if (record && commit && commit.ok) this.#learn(name, record, commit.revision);
    else await engine.commit({ conditions: [{ key, revision }], writes: [{ delete: key }] });
    if (this.#leaving.get(name) === leaving) this.#leaving.delete(name);
  }
}

function askedOf({ id, info, owner = "", generation, connectedAtMs }: Tunnel): Asked {
  return { info, owner, tunnel: id, sinceMs: connectedAtMs, generation };
}

/** When a tenure began, as a generation. */
export function tenureOf({ record: { tenure, epoch }, revision }: Known<NameRecord>): number {
  return tenure ?? generationOf(epoch, revision);
}

/** Servers that send no instance cannot be told apart: each is another one. */
function isSame(a: ServerInfo, b: ServerInfo): boolean {
  return a.instance !== "" && a.instance === b.instance;
}

function isEqual(a: ServerInfo, b: ServerInfo): boolean {
  const [of, keys] = [Object.entries(a.labels), Object.keys(b.labels)];
  return of.length === keys.length && of.every(([key, value]) => b.labels[key] === value);
}

function displacedBy({ info, hub }: NameRecord): string {
  return `Displaced by a newer registration of "${info.name}" from ${info.remoteAddress} at hub "${hub}"`;
}

function lost(record: NameRecord): Refusal {
  return { status: 409, code: "ALREADY_EXISTS", message: displacedBy(record) };
}

function flapping({ info, hub }: NameRecord): Refusal {
  return {
    status: 409,
    code: "ALREADY_EXISTS",
    message:
      `Cannot register "${info.name}": another living instance at ${info.remoteAddress} holds ` +
      `this name at hub "${hub}"; stop one of the two or rename it`,
    retryAfterS: RETRY_FLAPPING_S,
  };
}

function busy(name: ServerName): Refusal {
  return {
    status: 503,
    code: "UNAVAILABLE",
    message: `Cannot register "${name}": others register it at the same moment`,
    retryAfterS: RETRY_BUSY_S,
  };
}

/** Runs `work` for all items, at most `most` at once; the first error ends it. */
async function atOnce<T>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
}
