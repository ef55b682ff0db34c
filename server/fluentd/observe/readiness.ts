/**
 * Ready means: the supervisor lives, and all workers that there should be live, unchanged, for
 * `minHealthyMs`; of each of them somebody says that it runs (the log, the monitor, its sockets, or,
 * where a legal config silences all of these, that it has lived long enough); no input that the
 * config names is closed; and nothing says that it broke on the way. Nothing less: a fork that
 * succeeded, a PID file or an open port alone say nothing (docs/fluentd.md, "What lies").
 *
 * @module
 */
import type { Failure } from "../failures.ts";
import {
  brokenPipeline,
  closedText,
  CRASH_LOOP_DEATHS,
  missingWorkers,
  possibleExits,
  witnesses,
} from "./health.ts";
import type { LogFacts } from "../log/story.ts";
import { tailOf } from "../log/tail.ts";
import { everyProcess, type Observation } from "../manager/manager.ts";
import type { Look, Observer } from "./observer.ts";

/** How often to ask the monitor while waiting. */
const MONITOR_POLL_MS = 300;
/** systemd may take this long from accepting a job to having a process. */
const APPEAR_MS = 5000;
/** For how long a process may be gone before its supervisor counts as ended: exec, takeover. */
const CONFIRM_MS = 300;
/** After a takeover the new workers start most of what they have only when the old ones are gone. */
const TAKEOVER_SETTLE_MS = 2000;
/** Inputs of a worker that no longer loads do not open by themselves when they have been closed for this long. */
const CLOSED_MS = 10_000;

export interface ReadinessOptions {
  readonly signal: AbortSignal;
  readonly minHealthyMs: number;
  /** On the clock of `performance.now()`. */
  readonly untilMs: number;
  /** Where the log ended when the start was asked for; all of the log counts without. */
  readonly place?: number | undefined;
  /** When it was asked for; exits before that are of a former life. */
  readonly sinceMs: number;
  /** Supervisors that have to be gone: a zero-downtime restart is not over before. */
  readonly replaced?: ReadonlySet<number>;
  /** What the log said of an earlier takeover. */
  readonly formerTakeover?: LogFacts["takeover"];
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
  const { signal, minHealthyMs, untilMs, place = 0, sinceMs, replaced = new Set() } = options;
  const beganMs = performance.now();
  const stableMs = replaced.size > 0 ? Math.max(minHealthyMs, TAKEOVER_SETTLE_MS) : minHealthyMs;
  let team = "";
  let teamSinceMs = 0;
  let goneSinceMs: number | undefined;
  let appeared = false;
  let askedMs = -Infinity;
  for (;;) {
    const nowMs = performance.now();
    const thorough = nowMs - askedMs >= MONITOR_POLL_MS;
    if (thorough) askedMs = nowMs;
    const look = await observer.look({ signal, thorough });
    const { seen, facts, evidence } = look;
    const tell = (reason: Failure["reason"], message: string) =>
      failed(reason, message, { look, lines: observer.log.tail(place) });

    // Before the crash loop: what exits at once leaves no loop, and its exit code says more.
    const alive = seen.supervisors.length > 0;
    if (alive) goneSinceMs = undefined;
    else goneSinceMs ??= nowMs;
    appeared ||= alive;
    if (goneSinceMs !== undefined && nowMs - goneSinceMs >= CONFIRM_MS) {
      const failure = gone(seen, options, { tell, due: appeared || nowMs - beganMs >= APPEAR_MS });
      if (failure !== undefined) return failure;
    }
    const deaths = observer.history.restartsSince(sinceMs) + Math.max(
      possibleExits(evidence, Math.floor(sinceMs / 1000) * 1000),
      observer.history.rebirthsSince(sinceMs),
    );
    if (deaths >= CRASH_LOOP_DEATHS) {
      return tell("CRASH_LOOP", `Workers died ${deaths} times since the start`);
    }
    if (
      facts.takeover?.result === "failed" && replaced.size > 0 &&
      facts.takeover !== options.formerTakeover
    ) {
      return tell("TAKEOVER_FAILED", facts.takeover.message);
    }

    const teamNow = describeTeam(seen);
    if (teamNow !== team) {
      team = teamNow;
      teamSinceMs = nowMs;
    }
    const taken = !seen.supervisors.some(({ pid }) => replaced.has(pid));
    const missing = missingWorkers(evidence);
    const stable = teamNow !== "" && missing.length === 0 && nowMs - teamSinceMs >= stableMs;
    const broken = taken ? brokenPipeline(evidence) : undefined;
    if (broken !== undefined) {
      const reason = replaced.size > 0 ? "TAKEOVER_FAILED" : "DEGRADED";
      return tell(reason, `It lives, and its inputs and outputs do not: ${broken}`);
    }
    const { closed } = look.expected;
    const loads = look.verdict.health === "STARTING";
    if (stable && taken && !loads && closed.length > 0 && nowMs - teamSinceMs >= CLOSED_MS) {
      const reason = replaced.size > 0 ? "TAKEOVER_FAILED" : "DEGRADED";
      return tell(reason, `Nobody listens on ${closedText(evidence)}`);
    }
    const spoken = speaksForAll(look);
    if (stable && taken && spoken && closed.length === 0) return undefined;
    if (nowMs >= untilMs) return late({ stable, taken, missing }, options, { look, tell });
    await observer.pause({ signal, atMostMs: untilMs - nowMs });
  }
}

/** Whether of each worker somebody says that it runs. */
function speaksForAll({ seen, evidence }: Look): boolean {
  const { facts, monitor } = evidence;
  const silent = seen.workers.filter((worker) => witnesses(worker, evidence).length === 0);
  // One monitor may speak for all: `<worker 0>` commonly holds it alone.
  return silent.length === 0 ||
    silent.every(({ pid }) => !facts.starting.has(pid)) &&
      seen.workers.some(({ pid }) => monitor?.pids.includes(pid));
}

/** Supervisors and workers by identity; empty while one of the two is missing. */
function describeTeam({ supervisors, workers }: Observation): string {
  if (supervisors.length === 0 || workers.length === 0) return "";
  return [...supervisors, ...workers].map(({ pid, startTicks }) => `${pid}/${startTicks}`).join();
}

type Tell = (reason: Failure["reason"], message: string) => Failure;

/** What it means that there is no supervisor; `undefined` if one may still come. */
function gone(
  { lastExit, unit, workers }: Observation,
  { sinceMs }: ReadinessOptions,
  { tell, due }: { tell: Tell; due: boolean },
): Failure | undefined {
  if (workers.length > 0) {
    const pids = workers.map(({ pid }) => pid).join(", ");
    return tell("ORPHANED", `The supervisor is gone, workers live on: ${pids}`);
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
    ...tell("EXITED", unit === undefined ? how : `${how} (unit: ${unit.result})`),
    ...(exit?.code === undefined ? {} : { exitCode: exit.code }),
    ...(exit?.signal === undefined ? {} : { signal: exit.signal }),
  };
}

/** The time is over: what was missing? */
function late(
  { stable, taken, missing }: { stable: boolean; taken: boolean; missing: readonly number[] },
  { minHealthyMs }: ReadinessOptions,
  { look, tell }: { look: Look; tell: Tell },
): Failure {
  const { seen, evidence, expected, fullDisks } = look;
  if (!taken) return tell("TAKEOVER_FAILED", "The old supervisor still runs");
  if (missing.length > 0) {
    return tell(
      "START_TIMEOUT",
      `Worker ${missing.join(", ")} of ${expected.workers} does not run`,
    );
  }
  if (!stable) {
    const count = everyProcess(seen).length;
    return tell(
      "START_TIMEOUT",
      `Its workers did not live ${minHealthyMs} ms unchanged in the time given; ` +
        `${count} processes run now`,
    );
  }
  if (expected.closed.length > 0) {
    return tell("NOT_READY", `Nobody listens on ${closedText(evidence)}`);
  }
  return tell(
    "NOT_READY",
    "Its workers live and said that they start, but not yet that they run" +
      (fullDisks.length === 0 ? "" : `: no space is left on the disk of ${fullDisks.join(", ")}`),
  );
}

function failed(
  reason: Failure["reason"],
  message: string,
  { look, lines }: { look: Look; lines: readonly string[] },
): Failure {
  const { lastError } = look.facts;
  const said = lastError === undefined || message.includes(lastError)
    ? ""
    : `; the log says: ${lastError}`;
  const [sentence = ""] = tailOf([message + said]);
  return { reason, message: sentence, logTail: tailOf(lines) };
}
