/**
 * From what is seen to how Fluentd is. Pure, so that each way in which fluentd looks alive and
 * is not (docs/fluentd.md has the list) is a row of a table in the test.
 *
 * @module
 */
import type { fluentd_v1_FluentdState_Health as Health } from "../../shared/gen/types.ts";
import type { History } from "./history.ts";
import type { LogFacts } from "./log_events.ts";
import { everyProcess, type Observation } from "./manager.ts";

/** So many deaths of workers … */
export const CRASH_LOOP_DEATHS = 3;
/** … within this time are a crash loop, … */
export const CRASH_WINDOW_MS = 30_000;
/** … unless all workers have lived this long since. */
export const SETTLED_MS = 5000;
/** A worker younger than this is starting, as `min_healthy` is by default. */
export const YOUNG_MS = 2000;
/** Fluentd loads for half a second on a fast machine; a supervisor without workers for this long is ill. */
export const LOADING_MS = 30_000;

/** All that a judgement is made of. */
export interface Evidence {
  readonly seen: Observation;
  readonly facts: LogFacts;
  readonly history: Pick<History, "rebirthsSince" | "restartsSince">;
  /** PIDs that the monitor answered with; absent when no monitor is configured. */
  readonly monitorPids?: readonly number[];
  readonly nowMs: number;
}

export interface Verdict {
  readonly health: Health;
  /** Sentences: why it is not healthy, and what else one should know. */
  readonly reasons: readonly string[];
}

/** How Fluentd is. */
export function assess(evidence: Evidence): Verdict {
  const verdict = judge(evidence);
  const notes = [...verdict.reasons];
  if (evidence.seen.supervisors.length > 1) {
    notes.push("Two supervisors run: a zero-downtime restart is under way");
  }
  if (evidence.seen.unit?.needsReload) {
    notes.push('The unit file has changed: systemd needs "systemctl daemon-reload"');
  }
  return { ...verdict, reasons: notes };
}

function judge(evidence: Evidence): Verdict {
  const { seen, facts, monitorPids, nowMs } = evidence;
  const { supervisors, workers, unit } = seen;
  const all = everyProcess(seen);
  const deaths = recentDeaths(evidence);
  const ageMs = nowMs - Math.max(...workers.map(({ startedAtMs }) => startedAtMs));
  const supervisorAgeMs = nowMs - Math.max(...supervisors.map(({ startedAtMs }) => startedAtMs));

  if (deaths >= CRASH_LOOP_DEATHS && !(workers.length > 0 && ageMs >= SETTLED_MS)) {
    const said = facts.lastError === undefined ? "" : `; the log says: ${facts.lastError}`;
    return verdict("CRASH_LOOP", `It died ${deaths} times in ${CRASH_WINDOW_MS / 1000} s${said}`);
  }
  if (all.length === 0) {
    if (unit?.activeState === "activating") return verdict("STARTING", "systemd starts it");
    return verdict(
      "STOPPED",
      ...(unit?.activeState === "failed" ? [`Unit failed: ${unit.result}`] : []),
    );
  }
  if (supervisors.length === 0) {
    const pids = all.map(({ pid }) => pid).join(", ");
    return verdict("ORPHANED", `Processes live on without a supervisor: ${pids}`);
  }
  if (workers.length === 0) {
    return verdict(supervisorAgeMs < LOADING_MS ? "STARTING" : "DEGRADED", "No worker runs");
  }
  const quiet = workers.filter(({ pid }) => facts.starting.has(pid));
  if (quiet.length > 0) {
    const ids = quiet.map(({ workerId }) => workerId).join(", ");
    return verdict(
      ageMs < LOADING_MS ? "STARTING" : "DEGRADED",
      `Worker ${ids} has not said that it runs`,
    );
  }
  if (ageMs < YOUNG_MS) {
    return verdict("STARTING", `The youngest worker is ${Math.round(ageMs)} ms old`);
  }
  if (monitorPids !== undefined && !workers.some(({ pid }) => monitorPids.includes(pid))) {
    const other = monitorPids[0];
    return verdict(
      "DEGRADED",
      other === undefined
        ? "The monitor does not answer: inputs may be down while the process lives"
        : `The monitor's port is answered by another process: ${other}`,
    );
  }
  return verdict("HEALTHY");
}

function verdict(health: Health, ...reasons: string[]): Verdict {
  return { health, reasons };
}

/** As the log and as the looks have it: each may have missed some, so the greater number counts. */
function recentDeaths({ seen, facts, history, nowMs }: Evidence): number {
  const windowMs = nowMs - CRASH_WINDOW_MS;
  const restarts = history.restartsSince(windowMs);
  if (seen.supervisors.length === 0) return restarts;
  // What died before this supervisor's start belongs to a former life. The log has full seconds.
  const bornMs = Math.min(...seen.supervisors.map(({ startedAtMs }) => startedAtMs));
  const fromMs = Math.max(windowMs, Math.floor(bornMs / 1000) * 1000);
  const logged = facts.exitsMs.filter((at) => at >= fromMs).length;
  return restarts + Math.max(logged, history.rebirthsSince(fromMs));
}
