/**
 * From what is seen to how Fluentd is. Pure, so that each way in which fluentd looks alive and
 * is not (docs/fluentd.md has the list) is a row of a table in the test.
 *
 * Two questions: is it alive and collecting (`judge`), and does it deliver? One that collects and
 * cannot deliver is DEGRADED, and yet nothing that a start could mend: `collects` tells them apart.
 *
 * @module
 */
import type { fluentd_v1_FluentdState_Health as Health } from "../../../shared/gen/types.ts";
import type { ConfigFacts } from "../config/reader.ts";
import type { FailingOutput } from "./delivery.ts";
import type { Expected } from "./expectation.ts";
import type { History } from "./history.ts";
import type { LogFacts } from "../log/story.ts";
import { everyProcess, type Observation, type UnitState } from "../manager/manager.ts";
import type { WorkerProcess } from "../system/proc.ts";
import { cannotDeliver } from "./warnings.ts";

/** This many deaths of workers … */
export const CRASH_LOOP_DEATHS = 3;
/** … within this time are a crash loop, … */
export const CRASH_WINDOW_MS = 120_000;
/** … unless all workers have lived this long since. */
export const SETTLED_MS = 5000;
/** A worker younger than this is starting, as `min_healthy` is by default. */
export const YOUNG_MS = 2000;
/** Fluentd loads for half a second on a fast machine; a supervisor without workers for this long is ill. */
export const LOADING_MS = 30_000;
/** A worker of which nobody says anything runs when it has lived this long: what cannot start ends at once. */
export const SILENT_MS = 5000;

/** Who says that a worker runs, or that it lives. */
export type Witness = "log" | "monitor" | "sockets" | "proc";

/** What the monitor says of Fluentd's life. */
export interface MonitorFacts {
  /** PIDs that answered. */
  readonly pids: readonly number[];
  /** Workers that listen on their monitor's port, or did in this life, and do not answer. */
  readonly hung: readonly number[];
}

/** All that a judgement is made of. */
export interface Evidence {
  readonly seen: Observation;
  readonly facts: LogFacts;
  readonly history: Pick<History, "rebirthsSince" | "restartsSince">;
  readonly expected: Expected;
  readonly config?: ConfigFacts | undefined;
  /** Absent when no monitor is configured, or nothing runs that it could speak for. */
  readonly monitor?: MonitorFacts | undefined;
  readonly failing: readonly FailingOutput[];
  readonly nowMs: number;
}

export interface HealthVerdict {
  readonly health: Health;
  /** Sentences: why it is not healthy, and what else one should know. */
  readonly reasons: readonly string[];
  /** It runs and takes what comes in: HEALTHY, or DEGRADED because it cannot deliver. */
  readonly collects: boolean;
}

type Judgement = Omit<HealthVerdict, "collects">;

/** How Fluentd is. */
export function assess(evidence: Evidence): HealthVerdict {
  const life = judge(evidence);
  const collects = life.health === "HEALTHY";
  const judged = collects && cannotDeliver(evidence.failing)
    ? judgement("DEGRADED", `It collects and cannot deliver: ${failingText(evidence.failing)}`)
    : life;
  const notes = [...judged.reasons];
  if (evidence.seen.supervisors.length > 1) {
    notes.push("Two supervisors run: a zero-downtime restart is under way");
  }
  if (evidence.seen.unit?.needsReload) {
    notes.push('The unit file has changed: systemd needs "systemctl daemon-reload"');
  }
  return { ...judged, collects, reasons: notes };
}

/** Nothing of a unit runs, and that is not its last word; `active (exited)` is. */
function isBetweenLives(unit: UnitState | undefined): boolean {
  if (unit?.activeState === "active") return unit.subState === "running";
  return unit?.activeState === "activating" || unit?.activeState === "deactivating";
}

function judge(evidence: Evidence): Judgement {
  const { seen, facts, expected, monitor, nowMs } = evidence;
  const { supervisors, workers, unit } = seen;
  const all = everyProcess(seen);
  const deaths = recentDeaths(evidence);
  const missing = missingWorkers(evidence);
  const ageMs = nowMs - Math.max(...workers.map(({ startedAtMs }) => startedAtMs));
  const supervisorAgeMs = nowMs - Math.max(...supervisors.map(({ startedAtMs }) => startedAtMs));
  const loading = (whileLoading: number): Health =>
    whileLoading < LOADING_MS ? "STARTING" : "DEGRADED";

  if (all.length === 0 && !isBetweenLives(unit)) {
    // Whatever died before: nobody starts it again.
    const failed = unit?.activeState === "failed" ? [`Unit failed: ${unit.result}`] : [];
    return judgement("STOPPED", ...failed);
  }
  const settled = workers.length > 0 && missing.length === 0 && ageMs >= SETTLED_MS;
  if (deaths >= CRASH_LOOP_DEATHS && !settled) {
    const said = facts.lastError === undefined ? "" : `; the log says: ${facts.lastError}`;
    return judgement("CRASH_LOOP", `It died ${deaths} times in ${CRASH_WINDOW_MS / 1000} s${said}`);
  }
  if (all.length === 0 && unit?.activeState === "activating") {
    return judgement("STARTING", "systemd starts it");
  }
  if (all.length === 0) {
    return judgement(
      "DEGRADED",
      "It has ended, and systemd has yet to say whether it starts it again",
    );
  }
  if (supervisors.length === 0) {
    const pids = all.map(({ pid }) => pid).join(", ");
    return judgement("ORPHANED", `Processes live on without a supervisor: ${pids}`);
  }
  if (workers.length === 0) {
    return judgement(deaths > 0 ? "DEGRADED" : loading(supervisorAgeMs), "No worker runs");
  }
  if (missing.length > 0) {
    const said = facts.lastError === undefined ? "" : `; the log says: ${facts.lastError}`;
    return judgement(
      deaths > 0 ? "DEGRADED" : loading(supervisorAgeMs),
      `Worker ${missing.join(", ")} of ${expected.workers} does not run${said}`,
    );
  }
  const broken = brokenPipeline(evidence);
  if (broken !== undefined) {
    return judgement("DEGRADED", `It lives, and its inputs and outputs do not: ${broken}`);
  }
  if (expected.closed.length > 0) {
    const saidToRun = workers.every(({ pid }) => facts.running.has(pid));
    return judgement(
      saidToRun && ageMs >= YOUNG_MS ? "DEGRADED" : loading(ageMs),
      `Nobody listens on ${closedText(evidence)}`,
    );
  }
  if (ageMs < YOUNG_MS) {
    return judgement("STARTING", `The youngest worker is ${Math.round(ageMs)} ms old`);
  }
  const quiet = workers.filter((worker) => witnesses(worker, evidence).length === 0);
  if (quiet.length > 0) {
    const ids = quiet.map(({ workerId }) => workerId).join(", ");
    return judgement(loading(ageMs), `Worker ${ids} has not said that it runs`);
  }
  if (monitor !== undefined && monitor.hung.length > 0) {
    return judgement(
      "DEGRADED",
      `The monitor of worker ${monitor.hung.join(", ")} does not answer, although it should: ` +
        "inputs may be down while the process lives",
    );
  }
  return judgement("HEALTHY");
}

function judgement(health: Health, ...reasons: string[]): Judgement {
  return { health, reasons };
}

/** Who says that this worker runs; nobody, while it may still be loading. */
export function witnesses(
  worker: WorkerProcess,
  { facts, expected, monitor, nowMs }: Pick<Evidence, "facts" | "expected" | "monitor" | "nowMs">,
): Witness[] {
  const { pid, startedAtMs } = worker;
  const told: Witness[] = [];
  if (facts.running.has(pid)) told.push("log");
  if (monitor?.pids.includes(pid)) told.push("monitor");
  const { socketsSeen, listening, closed } = expected;
  if (socketsSeen && listening.length > 0 && closed.length === 0) told.push("sockets");
  // Its log may be elsewhere, or quiet by its level; only one that said that it starts will say more.
  // Where the supervisor has said that it starts, a worker that is silent still loads, most likely.
  const patienceMs = facts.speaks ? LOADING_MS : SILENT_MS;
  const silent = nowMs - startedAtMs >= patienceMs && !facts.starting.has(pid);
  if (told.length === 0 && silent) told.push("proc");
  return told;
}

/** Numbers of the workers that should run and do not. */
export function missingWorkers({ seen, expected }: Pick<Evidence, "seen" | "expected">): number[] {
  const living = new Set(seen.workers.map(({ workerId }) => workerId));
  return Array.from({ length: expected.workers ?? 0 }, (_, id) => id)
    .filter((id) => !living.has(id));
}

/**
 * Fluentd's line about a reload or takeover that failed half-way. It is not believed where outputs
 * print records into the log and all inputs are open: it may be a record of another Fluentd's log.
 */
export function brokenPipeline(
  { seen, facts, expected, config }: Pick<Evidence, "seen" | "facts" | "expected" | "config">,
): string | undefined {
  const { socketsSeen, listening, closed } = expected;
  const open = socketsSeen && listening.length > 0 && closed.length === 0;
  if (open && config?.printsRecords !== false) return undefined;
  for (const { workerId } of seen.workers) {
    const line = facts.broken.get(workerId);
    if (line !== undefined) return line;
  }
  // Whether it had begun was not said, as at log level warn: the sockets tell.
  return closed.length > 0 ? facts.refused : undefined;
}

/** `tcp 24224 (forward), udp 5160 (udp)`. */
export function closedText({ expected }: Pick<Evidence, "expected">): string {
  return expected.closed.map(({ proto, at, type }) => `${proto} ${at} (${type})`).join(", ");
}

function failingText(failing: readonly FailingOutput[]): string {
  return failing.map(({ name, failures, message }) =>
    `${name} failed ${failures} times in a row` + (message === undefined ? "" : `: ${message}`)
  ).join("; ");
}

/**
 * Deaths of this life of the supervisor, as the log and as the looks have it: each may have missed
 * some, so the greater number counts.
 */
export function recentDeaths({ seen, facts, history, nowMs }: Evidence): number {
  const windowMs = nowMs - CRASH_WINDOW_MS;
  const restarts = history.restartsSince(windowMs);
  if (seen.supervisors.length === 0) return restarts;
  // What died before this supervisor's start belongs to a former life. The log has full seconds.
  const bornMs = Math.min(...seen.supervisors.map(({ startedAtMs }) => startedAtMs));
  const fromMs = Math.max(windowMs, Math.floor(bornMs / 1000) * 1000);
  return restarts + Math.max(possibleExits({ seen, facts }, fromMs), history.rebirthsSince(fromMs));
}

/**
 * Exits that the log tells, as far as the processes allow it: one whose worker has lived since before
 * it was said did not happen, and is a record that an output printed.
 */
export function possibleExits(
  { seen, facts }: Pick<Evidence, "seen" | "facts">,
  fromMs: number,
): number {
  return facts.exits.filter(({ worker, timeMs }) => {
    if (!(timeMs >= fromMs)) return false;
    const living = seen.workers.find(({ workerId }) => workerId === worker);
    return living === undefined || living.startedAtMs >= timeMs;
  }).length;
}
