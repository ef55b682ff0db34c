/**
 * Ready means: the supervisor lives, and all workers live, unchanged, for `minHealthyMs`, and each
 * of them said in the log that it runs, or answers through the monitor. Nothing less: a fork
 * that succeeded, a PID file or an open port say nothing (docs/fluentd.md, "What lies").
 *
 * @module
 */
import type { Failure } from "./failures.ts";
import { CRASH_LOOP_DEATHS } from "./health.ts";
import { type LogFacts, readLog } from "./log_events.ts";
import { type LogMark, tailOf } from "./log_tail.ts";
import { everyProcess, type Observation } from "./manager.ts";
import { type Observer, readable } from "./observer.ts";

/** How often to ask the monitor while waiting. */
const MONITOR_POLL_MS = 300;
/** systemd may take this long from accepting a job to having a process. */
const APPEAR_MS = 5000;
/** For how long a process may be gone before its supervisor counts as ended: exec, takeover. */
const CONFIRM_MS = 300;

export interface ReadinessOptions {
  readonly signal: AbortSignal;
  readonly minHealthyMs: number;
  /** On the clock of `performance.now()`. */
  readonly untilMs: number;
  /** Where the log ended when the start was asked for; all of the log counts without. */
  readonly mark?: LogMark | undefined;
  /** When it was asked for; exits before that are of a former life. */
  readonly sinceMs: number;
  /** Supervisors that have to be gone: a zero-downtime restart is not over before. */
  readonly replaced?: ReadonlySet<number>;
}

interface Glance {
  readonly seen: Observation;
  readonly facts: LogFacts;
  readonly lines: readonly string[];
}

/**
 * Waits for readiness.
 *
 * @returns Why it is not ready; `undefined` if it is.
 */
export async function waitReady(
  observer: Observer,
  options: ReadinessOptions,
): Promise<Failure | undefined> {
  const { signal, minHealthyMs, untilMs, mark, sinceMs, replaced = new Set() } = options;
  const log = await observer.manager.log({ signal });
  const beganMs = performance.now();
  let team = "";
  let teamSinceMs = 0;
  let goneSinceMs: number | undefined;
  let appeared = false;
  let answered = new Set<number>();
  let askedMs = -Infinity;
  for (;;) {
    const seen = await observer.glance({ signal });
    const lines = await readable(log, mark);
    const glance = { seen, facts: readLog(lines), lines };
    const nowMs = performance.now();

    // Before the crash loop: what exits at once leaves no loop, and its exit code says more.
    const alive = seen.supervisors.length > 0;
    if (alive) goneSinceMs = undefined;
    else goneSinceMs ??= nowMs;
    appeared ||= alive;
    if (goneSinceMs !== undefined && nowMs - goneSinceMs >= CONFIRM_MS) {
      const failure = gone(glance, options, appeared || nowMs - beganMs >= APPEAR_MS);
      if (failure !== undefined) return failure;
    }
    const deaths = Math.max(
      mark === undefined ? 0 : glance.facts.exitsMs.length,
      observer.history.rebirthsSince(sinceMs) + observer.history.restartsSince(sinceMs),
    );
    if (deaths >= CRASH_LOOP_DEATHS) {
      return failed("CRASH_LOOP", `Workers died ${deaths} times since the start`, glance);
    }
    if (glance.facts.takeover?.result === "failed" && replaced.size > 0) {
      return failed("TAKEOVER_FAILED", glance.facts.takeover.message, glance);
    }

    const teamNow = describeTeam(seen);
    if (teamNow !== team) {
      team = teamNow;
      teamSinceMs = nowMs;
    }
    const taken = !seen.supervisors.some(({ pid }) => replaced.has(pid));
    const stable = teamNow !== "" && nowMs - teamSinceMs >= minHealthyMs;
    if (seen.workers.length > 0 && nowMs - askedMs >= MONITOR_POLL_MS) {
      askedMs = nowMs;
      answered = new Set((await observer.identities(seen, { signal }))?.map(({ pid }) => pid));
    }
    const silent = seen.workers.filter(({ pid }) =>
      !glance.facts.running.has(pid) && !answered.has(pid)
    );
    // One monitor may speak for all: `<worker 0>` commonly holds it alone.
    const spoken = silent.length === 0 ||
      silent.every(({ pid }) => !glance.facts.starting.has(pid)) && answered.size > 0 &&
        seen.workers.some(({ pid }) => answered.has(pid));
    if (stable && taken && spoken) return undefined;
    if (nowMs >= untilMs) return late({ stable, taken }, options, glance);
    await observer.pause({ signal, atMostMs: untilMs - nowMs });
  }
}

/** Supervisors and workers by identity; empty while one of the two is missing. */
function describeTeam({ supervisors, workers }: Observation): string {
  if (supervisors.length === 0 || workers.length === 0) return "";
  return [...supervisors, ...workers].map(({ pid, startTicks }) => `${pid}/${startTicks}`).join();
}

/** What it means that there is no supervisor; `undefined` if one may still come. */
function gone(glance: Glance, { sinceMs }: ReadinessOptions, due: boolean): Failure | undefined {
  const { seen: { lastExit, unit, workers } } = glance;
  if (workers.length > 0) {
    const pids = workers.map(({ pid }) => pid).join(", ");
    return failed("ORPHANED", `The supervisor is gone, workers live on: ${pids}`, glance);
  }
  // systemd starts it again after a pause: readiness, or a crash loop, or the time-out will tell.
  if (unit !== undefined && ["activating", "reloading"].includes(unit.activeState)) {
    return undefined;
  }
  // systemd's times have full seconds.
  const exit = lastExit !== undefined && lastExit.timeMs >= Math.floor(sinceMs / 1000) * 1000
    ? lastExit
    : undefined;
  if (exit === undefined && unit?.activeState !== "failed" && !due) return undefined;
  const how = exit === undefined
    ? "Fluentd has ended"
    : exit.signal === undefined
    ? `Fluentd ended with exit code ${exit.code}`
    : `Fluentd was ended by ${exit.signal}`;
  return {
    ...failed("EXITED", unit === undefined ? how : `${how} (unit: ${unit.result})`, glance),
    ...(exit?.code === undefined ? {} : { exitCode: exit.code }),
    ...(exit?.signal === undefined ? {} : { signal: exit.signal }),
  };
}

/** The time is over: what was missing? */
function late(
  { stable, taken }: { stable: boolean; taken: boolean },
  { minHealthyMs }: ReadinessOptions,
  glance: Glance,
): Failure {
  if (!taken) return failed("TAKEOVER_FAILED", "The old supervisor still runs", glance);
  if (!stable) {
    const count = everyProcess(glance.seen).length;
    return failed(
      "START_TIMEOUT",
      `Its workers did not live ${minHealthyMs} ms unchanged in the time given; ` +
        `${count} processes run now`,
      glance,
    );
  }
  return failed(
    "NOT_READY",
    "Its workers live, but neither the log nor the monitor says that they run " +
      "(fluentd says so at log level info)",
    glance,
  );
}

function failed(reason: Failure["reason"], message: string, { facts, lines }: Glance): Failure {
  const said = facts.lastError === undefined ? "" : `; the log says: ${facts.lastError}`;
  const [sentence = ""] = tailOf([message + said]);
  return { reason, message: sentence, logTail: tailOf(lines) };
}
