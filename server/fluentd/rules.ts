/**
 * What Start, Stop and Restart mean, whoever keeps Fluentd (fluentd.v1 in proto/, docs/fluentd.md).
 *
 * An error is thrown only while nothing was attempted; from `scope.begin()` on, whatever goes
 * wrong is a failure in the response, with what is observed afterwards.
 *
 * @module
 */
import { delay } from "../../shared/async/delay.ts";
import { dryRun, fluentdVersion, type ShortRunOptions } from "./dry_run.ts";
import { type Failure, failureOf, fluentdError } from "./failures.ts";
import { tailOf } from "./log_tail.ts";
import { everyProcess, isRunning } from "./manager.ts";
import type { Look, Observer } from "./observer.ts";
import { waitReady } from "./readiness.ts";

/** How long SIGKILL may take: a process in an uninterruptible wait does not end. */
const KILL_WAIT_MS = 5000;
/** A flush before a stop may take this share of the wait. */
const FLUSH_SHARE = 1 / 2;
const FLUSH_POLL_MS = 250;
/** A restart's stop must leave this share of the wait to its start. */
const START_SHARE = 1 / 3;
/** The first version whose supervisor takes SIGUSR2 as a zero-downtime restart. */
const ZERO_DOWNTIME_SINCE = [1, 18];

/** What an operation gets from whoever runs it. */
export interface OperationScope {
  readonly signal: AbortSignal;
  /** To be called, and awaited, before the first thing that changes anything. */
  begin(): Promise<void>;
}

export interface StartRules {
  readonly waitMs: number;
  readonly minHealthyMs: number;
  readonly validate: boolean;
}

export interface StopRules {
  readonly waitMs: number;
  readonly flushFirst: boolean;
  readonly forceAfter: boolean;
}

export interface RestartRules extends StartRules {
  readonly zeroDowntime: boolean;
  readonly onlyIfRunning: boolean;
}

/** What was observed before and after, and what failed. */
export interface Outcome<Status extends string> {
  readonly status: Status;
  readonly before: Look;
  readonly after: Look;
  readonly failure?: Failure;
  readonly elapsedMs: number;
}

export type StartOutcome = Outcome<"NOCHANGE" | "SUCCESS" | "FAILED">;
export type StopOutcome = Outcome<"NOCHANGE" | "SUCCESS" | "FAILED"> & {
  readonly killed: boolean;
};
export type RestartOutcome = Outcome<"SUCCESS" | "FAILED_STARTED" | "FAILED_STOPPED">;

/** Starts Fluentd and waits until it is ready. */
export async function start(
  observer: Observer,
  rules: StartRules,
  scope: OperationScope,
): Promise<StartOutcome> {
  const beganMs = performance.now();
  const untilMs = beganMs + rules.waitMs;
  const before = await observer.look(scope);
  const end = async (status: StartOutcome["status"], failure?: Failure): Promise<StartOutcome> => ({
    status,
    before,
    after: await observer.look(scope),
    elapsedMs: performance.now() - beganMs,
    ...(failure === undefined ? {} : { failure }),
  });
  // It runs and takes what comes in; that it cannot deliver is told, and no start would mend it.
  if (before.verdict.collects) return await end("NOCHANGE");
  switch (before.verdict.health) {
    case "CRASH_LOOP":
    case "ORPHANED":
      return await end("FAILED", verdictAsFailure(before, before.verdict.health));
    case "STARTING":
    case "DEGRADED": {
      // Somebody else started it: a second start would only disturb.
      const { signal } = scope;
      const { minHealthyMs } = rules;
      const failure = await waitReady(observer, {
        signal,
        minHealthyMs,
        untilMs,
        sinceMs: Date.now(),
      });
      if (failure !== undefined) return await end("FAILED", failure);
      const after = await observer.look(scope);
      return after.verdict.health === "DEGRADED" && !after.verdict.collects
        ? await end("FAILED", verdictAsFailure(after, "DEGRADED"))
        : await end("NOCHANGE");
    }
  }
  await observer.manager.checkStart(scope);
  if (rules.validate) await dryRun(await observer.manager.launch(scope), { ...scope, untilMs });
  await scope.begin();
  const failure = await attempt(scope, () => launchAndWait(observer, rules, untilMs, scope));
  return await end(failure === undefined ? "SUCCESS" : "FAILED", failure);
}

async function launchAndWait(
  observer: Observer,
  { minHealthyMs }: StartRules,
  untilMs: number,
  scope: OperationScope,
): Promise<Failure | undefined> {
  const { signal } = scope;
  await observer.readLog(scope);
  const { place } = observer.log;
  const sinceMs = Date.now();
  await observer.manager.start(scope);
  return await waitReady(observer, { signal, minHealthyMs, untilMs, place, sinceMs });
}

/** Stops Fluentd and waits until no process of it is left. */
export async function stop(
  observer: Observer,
  rules: StopRules,
  scope: OperationScope,
): Promise<StopOutcome> {
  const beganMs = performance.now();
  const before = await observer.look(scope);
  if (!isRunning(before.seen)) {
    const elapsedMs = performance.now() - beganMs;
    return { status: "NOCHANGE", before, after: before, killed: false, elapsedMs };
  }
  await scope.begin();
  let killed = false;
  const failure = await attempt(scope, async () => {
    const untilMs = beganMs + rules.waitMs;
    if (rules.flushFirst) await flush(observer, beganMs + rules.waitMs * FLUSH_SHARE, scope);
    const ended = await endProcesses(observer, { untilMs, force: rules.forceAfter }, scope);
    killed = ended.killed;
    return ended.failure;
  });
  const after = await observer.look(scope);
  // systemd kills by itself after TimeoutStopSec, and says so.
  killed ||= before.seen.unit?.result !== "timeout" && after.seen.unit?.result === "timeout";
  return {
    status: failure === undefined ? "SUCCESS" : "FAILED",
    before,
    after,
    killed,
    elapsedMs: performance.now() - beganMs,
    ...(failure === undefined ? {} : { failure }),
  };
}

/** Asks for a flush and waits until the monitor says that the buffers are empty, as far as it can. */
async function flush(observer: Observer, untilMs: number, scope: OperationScope): Promise<void> {
  if ((await observer.glance(scope)).supervisors.length === 0) return;
  await observer.manager.signal("SIGUSR1", scope);
  for (;;) {
    await delay(FLUSH_POLL_MS, scope);
    const workers = (await observer.glance(scope)).workers.map(({ workerId }) => workerId);
    const report = await observer.monitor?.report(workers, scope);
    const { queuedBytes = 0, stageBytes = 0, queueLength = 0 } = report?.buffers ?? {};
    if (queuedBytes + stageBytes + queueLength === 0 || performance.now() >= untilMs) return;
  }
}

interface EndOptions {
  readonly untilMs: number;
  readonly force: boolean;
}

/** Asks all processes to end and waits until none is left. */
async function endProcesses(
  observer: Observer,
  { untilMs, force }: EndOptions,
  scope: OperationScope,
): Promise<{ killed: boolean; failure?: Failure }> {
  const { manager } = observer;
  let seen = await observer.glance(scope);
  let askedOrphans = seen.supervisors.length === 0;
  let killed = false;
  let killUntilMs = Infinity;
  if (isRunning(seen)) await manager.stop(scope);
  while (isRunning(seen = await observer.glance(scope))) {
    const nowMs = performance.now();
    if (!askedOrphans && seen.supervisors.length === 0 && everyProcess(seen).length > 0) {
      // The supervisor ended before what it had started, so nobody will tell them.
      askedOrphans = true;
      await manager.stop(scope);
    }
    if (nowMs >= untilMs) {
      if (!force || nowMs >= killUntilMs) {
        const pids = everyProcess(seen).map(({ pid }) => pid);
        const list = pids.length > 0 ? `processes ${pids.join(", ")}` : seen.unit?.subState;
        const message = force
          ? `Still there after SIGKILL: ${list}`
          : `Still running: ${list}; it may yet end by itself, or ask with force_after`;
        await observer.readLog(scope);
        const logTail = tailOf(observer.log.tail());
        const reason = force ? "KILL_FAILED" : "STILL_RUNNING";
        return { killed, failure: { reason, message, logTail } };
      }
      // Each time anew: what forked meanwhile has to go as well.
      killed = await manager.kill(scope) || killed;
      if (killUntilMs === Infinity) killUntilMs = nowMs + KILL_WAIT_MS;
    }
    const atMostMs = untilMs > nowMs ? untilMs - nowMs : Infinity;
    await observer.pause({ signal: scope.signal, atMostMs });
  }
  return { killed };
}

/** Stops Fluentd, if it runs, and starts it; or lets a new one take over. */
export async function restart(
  observer: Observer,
  rules: RestartRules,
  scope: OperationScope,
): Promise<RestartOutcome> {
  const { manager } = observer;
  const beganMs = performance.now();
  const untilMs = beganMs + rules.waitMs;
  const before = await observer.look(scope);
  const running = isRunning(before.seen);
  if (!running && rules.onlyIfRunning) {
    throw fluentdError("NOT_RUNNING", "Fluentd does not run, and only_if_running was asked for");
  }
  await manager.checkStart(scope);
  const takeover = rules.zeroDowntime && running;
  if (takeover) await checkTakeover(observer, before, { ...scope, untilMs });
  if (rules.validate) await dryRun(await manager.launch(scope), { ...scope, untilMs });
  await scope.begin();
  const failure = await attempt(scope, async () => {
    if (takeover) return await takeOver(observer, rules, untilMs, scope);
    if (running) {
      const stopUntilMs = beganMs + rules.waitMs * (1 - START_SHARE);
      const ended = await endProcesses(observer, { untilMs: stopUntilMs, force: false }, scope);
      if (ended.failure !== undefined) return ended.failure;
    }
    return await launchAndWait(observer, rules, untilMs, scope);
  });
  const after = await observer.look(scope);
  const failed = isRunning(after.seen) ? "FAILED_STARTED" : "FAILED_STOPPED";
  return {
    status: failure === undefined ? "SUCCESS" : failed,
    before,
    after,
    elapsedMs: performance.now() - beganMs,
    ...(failure === undefined ? {} : { failure }),
  };
}

async function checkTakeover(
  observer: Observer,
  before: Look,
  options: ShortRunOptions,
): Promise<void> {
  const { manager } = observer;
  if (before.seen.supervisors.length === 0) {
    throw fluentdError(
      "NOT_RUNNING",
      "There is no supervisor that could hand over: restart with STOP_START",
    );
  }
  const running = before.identities?.[0]?.version ?? before.facts.version;
  const installed = await fluentdVersion(await manager.launch(options), options);
  for (const version of [running, installed]) {
    if (version !== undefined && !isSince(version, ZERO_DOWNTIME_SINCE)) {
      throw fluentdError(
        "ZERO_DOWNTIME_UNSUPPORTED",
        `Fluentd ${version} has no zero-downtime restart: it needs ${
          ZERO_DOWNTIME_SINCE.join(".")
        }`,
      );
    }
  }
  const obstacle = installed === undefined
    ? "the version of fluentd cannot be found out"
    : await manager.zeroDowntimeObstacle(options);
  if (obstacle !== undefined) {
    throw fluentdError("ZERO_DOWNTIME_UNSUPPORTED", `No zero-downtime restart here: ${obstacle}`);
  }
}

function isSince(version: string, [major = 0, minor = 0]: readonly number[]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor > major || ownMajor === major && ownMinor >= minor;
}

/** The supervisor starts its own successor and ends when that has taken over: about 12 s. */
async function takeOver(
  observer: Observer,
  { minHealthyMs }: RestartRules,
  untilMs: number,
  scope: OperationScope,
): Promise<Failure | undefined> {
  const { signal } = scope;
  const { seen: { supervisors }, facts: { takeover: formerTakeover } } = await observer.look(scope);
  const { place } = observer.log;
  const sinceMs = Date.now();
  await observer.manager.signal("SIGUSR2", scope);
  const replaced = new Set(supervisors.map(({ pid }) => pid));
  return await waitReady(observer, {
    signal,
    minHealthyMs,
    untilMs,
    place,
    sinceMs,
    replaced,
    formerTakeover,
  });
}

/** What throws while something is under way is a failure of it, unless we are told to leave. */
async function attempt(
  { signal }: OperationScope,
  action: () => Promise<Failure | undefined>,
): Promise<Failure | undefined> {
  try {
    return await action();
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(error);
  }
}

function verdictAsFailure(look: Look, reason: Failure["reason"]): Failure {
  return {
    reason,
    message: look.verdict.reasons.join("; "),
    logTail: tailOf(look.lines),
  };
}
