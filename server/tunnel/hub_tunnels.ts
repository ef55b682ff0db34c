/**
 * Keeps one name registered at the best hubs that answer: an agent for each place that is dialled.
 *
 *     places ─ rank ─▶ hub_choice.ts ─┬─ start ─▶ agent "edge-1" at a ═ tunnel ═ hub a
 *       ▲                             ├─ start ─▶ agent "edge-1" at b ═ tunnel ═ hub b
 *       └─ looked up each minute      └─ stop ──▶ agent "edge-1" at c: its calls end, then it closes
 *
 * A hub that is missing is dialled again without end: by the back-off of retry_policy.ts while there
 * are too few tunnels, else once a minute.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { jittered } from "../../shared/async/backoff.ts";
import { untilAborted } from "../../shared/async/until_aborted.ts";
import type { HubPlace } from "../dial/hub_places.ts";
import { rankHubs } from "../dial/hub_rank.ts";
import type { Agent, AgentState } from "./agent.ts";
import { chooseHubs, type Standing } from "./hub_choice.ts";

const log = getLogger(["server"]);

/** How often a better hub that is missing is dialled, while others serve. */
export const BETTER_RETRY_MS = 60_000;
/** Servers that miss the same hub are spread by this share. */
const BETTER_JITTER = 0.5;
/** What a hub is told that is no longer needed. */
const PREFERS_OTHERS = "The server has tunnels at hubs that it prefers";

/** What {@linkcode HubTunnels} needs of an agent. */
export type PlaceAgent = Pick<Agent, "name" | "state" | "run" | "renew" | "dialNow">;

/** What an agent gets from {@linkcode HubTunnels}. */
export interface PlaceAgentOptions {
  readonly place: HubPlace;
  readonly onState: (state: AgentState) => void;
  readonly patience: (waitMs: number) => number;
  readonly hasSiblings: boolean;
  /** Ids of the hubs at which other agents of this name have tunnels. */
  readonly heldHubs: () => readonly string[];
}

/** How a name stands at one hub. */
export interface HubStanding {
  readonly hub: string;
  readonly standing: Standing;
  /** Why there is no tunnel. */
  readonly why?: string;
}

/** Options of {@linkcode HubTunnels}. */
export interface HubTunnelsOptions {
  /** The name that is registered. */
  readonly name: string;
  /** By which hubs are ranked: the machine's own, also for its upstreams. */
  readonly rankBy: string;
  readonly makeAgent: (options: PlaceAgentOptions) => PlaceAgent;
  /** Called when an agent enters another state. */
  readonly onState?: ((place: HubPlace, state: AgentState) => void) | undefined;
  /** @default BETTER_RETRY_MS */
  readonly betterRetryMs?: number;
  /** @default Math.random */
  readonly random?: () => number;
}

/** A place that is, or was, to be dialled. */
interface Entry {
  readonly place: HubPlace;
  isGone: boolean;
  standing: Standing;
  hubId: string | undefined;
  why: string | undefined;
  /** It waits for longer than it would if it were needed. */
  isPatient: boolean;
  run: { readonly agent: PlaceAgent; readonly stop: AbortController } | undefined;
}

/** All tunnels of one name. `update()` it with places, and `run()` it once. */
export class HubTunnels {
  readonly name: string;
  readonly #options: HubTunnelsOptions;
  /** The best first. */
  #entries: readonly Entry[] = [];
  #most = 1;
  /** What is told only when it is another one. */
  #toldServing = 0;
  #signal: AbortSignal | undefined;
  readonly #ending = new Set<Promise<void>>();
  /** Those that were stopped last, when all are. */
  #stopped: readonly PlaceAgent[] = [];

  constructor(options: HubTunnelsOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** The agents of the places that are dialled now. */
  get agents(): readonly PlaceAgent[] {
    const agents = this.#entries.flatMap(({ run }) => run === undefined ? [] : [run.agent]);
    return agents.length > 0 ? agents : this.#stopped;
  }

  /** How many hubs are to be held. */
  get most(): number {
    return this.#most;
  }

  /** How it stands at each hub that is or was dialled, the best first. */
  get standings(): readonly HubStanding[] {
    return this.#entries.filter(({ standing }) => standing !== "idle")
      .map(({ place, standing, why }) => ({ hub: place.key, standing, ...(why && { why }) }));
  }

  /** The places that there are from now on; tunnels at others stay until better ones serve. */
  update(places: readonly HubPlace[], most: number): void {
    this.#most = most;
    const known = new Map(this.#entries.map((entry) => [entry.place.key, entry]));
    const now = rankHubs(this.#options.rankBy, places).map((place): Entry => {
      const entry = known.get(place.key);
      known.delete(place.key);
      if (entry === undefined) return newEntry(place);
      entry.isGone = false;
      return entry;
    });
    const gone = [...known.values()].filter(({ run }) => run !== undefined);
    for (const entry of gone) entry.isGone = true;
    this.#entries = [...now, ...gone];
    this.#choose();
  }

  /** Runs until `signal` fires and the calls in flight have ended. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#choose();
    await untilAborted(signal);
    this.#stopped = this.agents;
    for (const entry of this.#entries) this.#stop(entry);
    await Promise.all(this.#ending);
  }

  dialNow(): void {
    for (const { agent } of this.#running()) agent.dialNow();
  }

  renew(): void {
    for (const { agent } of this.#running()) agent.renew();
  }

  #running(): readonly NonNullable<Entry["run"]>[] {
    return this.#entries.flatMap(({ run }) => run === undefined ? [] : [run]);
  }

  #choose(): void {
    if (this.#signal === undefined || this.#signal.aborted) return;
    const entries = this.#entries;
    const candidates = entries.map(({ standing, isGone, place }) => ({
      standing,
      isGone,
      group: place.uri.href,
    }));
    const { start, stop, serving } = chooseHubs(candidates, this.#most);
    for (const index of stop) this.#stop(entries[index]!, PREFERS_OTHERS);
    for (const index of start) this.#start(entries[index]!);
    if (serving < this.#most) {
      // There is hurry now.
      for (const { isPatient, run } of entries) if (isPatient) run?.agent.dialNow();
    }
    this.#tell(serving);
  }

  #start(entry: Entry): void {
    const { place } = entry;
    entry.standing = "new";
    const stop = new AbortController();
    const isCurrent = () => entry.run?.stop === stop;
    const agent = this.#options.makeAgent({
      place,
      hasSiblings: this.#entries.length > 1,
      heldHubs: () =>
        this.#entries.flatMap(({ standing, hubId, run }) =>
          standing === "serving" && hubId !== undefined && run?.stop !== stop ? [hubId] : []
        ),
      patience: (waitMs) => isCurrent() ? this.#patience(entry, waitMs) : waitMs,
      onState: (state) => {
        if (isCurrent()) this.#entered(entry, state);
        this.#options.onState?.(place, state);
      },
    });
    entry.run = { agent, stop };
    const ended = agent.run(stop.signal).finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #stop(entry: Entry, why?: string): void {
    const { run, place, standing } = entry;
    if (run === undefined) return;
    const properties = { server: this.name, hub: place.key };
    if (why !== undefined && standing === "serving") log.info(`Leaving: ${why}`, properties);
    entry.run = undefined;
    entry.standing = "idle";
    entry.hubId = undefined;
    entry.isPatient = false;
    run.stop.abort(why);
    if (standing === "serving") this.#wakeSame();
  }

  /** A hub is no longer held: an address that led to it may be needed now. */
  #wakeSame(): void {
    for (const { standing, run } of this.#entries) if (standing === "same") run?.agent.dialNow();
  }

  #entered(entry: Entry, state: AgentState): void {
    if (state.state === "dialing" || state.state === "stopped") return;
    // The old tunnel stays until the new one is there.
    if (state.state === "waiting" && state.isRenewing) return;
    const isServing = state.state === "serving";
    const wasServing = entry.standing === "serving";
    entry.isPatient &&= !isServing;
    entry.hubId = isServing ? state.tunnel.hubId : undefined;
    entry.why = isServing ? undefined : state.why;
    entry.standing = isServing ? "serving" : state.isHere ? "same" : "failed";
    if (wasServing && !isServing) this.#wakeSame();
    this.#choose();
  }

  /** How long a place waits that was not reached: where others serve, there is no hurry. */
  #patience(entry: Entry, waitMs: number): number {
    entry.isPatient = false;
    const others = this.#entries.filter((one) => one !== entry && one.standing === "serving");
    if (others.length < this.#most) return waitMs;
    const { betterRetryMs = BETTER_RETRY_MS, random = Math.random } = this.#options;
    const patientMs = jittered(betterRetryMs, { share: BETTER_JITTER, random });
    entry.isPatient = patientMs > waitMs;
    return Math.max(waitMs, patientMs);
  }

  /** What people want to know: from how many hubs it can be reached now. */
  #tell(serving: number): void {
    if (this.#most === 1 && this.#entries.length <= 1) return;
    if (serving === this.#toldServing) return;
    const isLess = serving < this.#toldServing;
    this.#toldServing = serving;
    const properties = { server: this.name, serving, most: this.#most };
    const text = "{server} has tunnels at {serving} of {most} hubs";
    if (isLess) log.warn(text, properties);
    else log.info(text, properties);
  }
}

function newEntry(place: HubPlace): Entry {
  return {
    place,
    isGone: false,
    standing: "idle",
    hubId: undefined,
    why: undefined,
    isPatient: false,
    run: undefined,
  };
}
