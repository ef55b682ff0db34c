/**
 * What Start, Stop and Restart mean, whoever keeps Fluentd (fluentd.v1 in proto/, docs/fluentd.md).
 *
 * An error is thrown only while nothing was attempted; from `scope.begin()` on, whatever goes
 * wrong is a failure in the response, with what is observed afterwards.
 *
 * @module
 */
import { bytesInBufferFiles } from "./observe/buffer_files.ts";
import { withCause } from "./cause.ts";
import { dryRun, fluentdVersion, type ShortRunOptions } from "./dry_run.ts";
import { endProcesses, flush, mustLoseNothing, signalObstacle } from "./ending.ts";
import { type Failure, failureOf, fluentdError } from "./failures.ts";
import { tailOf } from "./log/tail.ts";
import { isRunning } from "./manager/manager.ts";
import type { Look, Observer } from "./observe/observer.ts";
import { type OperationScope, waitingSignal } from "./operation_scope.ts";
import { waitReady } from "./observe/readiness.ts";
import { mustRunNowhereElse } from "./observe/running_elsewhere.ts";

/** A flush before a stop may take this share of the wait. */
const FLUSH_SHARE = 1 / 2;
/** A restart's stop must leave this share of the wait to its start. */
const START_SHARE = 1 / 3;
/** The first version whose supervisor takes SIGUSR2 as a zero-downtime restart. */
const ZERO_DOWNTIME_SINCE = [1, 18];

export interface StartRules {
  readonly waitMs: number;
  readonly minHealthyMs: number;
  readonly validate: boolean;
}

export interface StopRules {
  readonly waitMs: number;
  readonly flushFirst: boolean;
  readonly forceAfter: boolean;
  readonly acceptLoss: boolean;
}

export interface RestartRules extends StartRules {
  readonly zeroDowntime: boolean;
  readonly onlyIfRunning: boolean;
  readonly acceptLoss: boolean;
}

/** What was observed before and after, and what failed. */
export interface OperationOutcome<Status extends string> {
  readonly status: Status;
  readonly before: Look;
  readonly after: Look;
  readonly failure?: Failure;
  readonly elapsedMs: number;
}

export type StartOutcome = OperationOutcome<"NOCHANGE" | "SUCCESS" | "FAILED">;
export type StopOutcome = OperationOutcome<"NOCHANGE" | "SUCCESS" | "FAILED"> & {
  readonly killed: boolean;
  /** In file buffers; absent where that cannot be known. */
  readonly remainingBufferBytes?: number;
};
export type RestartOutcome = OperationOutcome<"SUCCESS" | "FAILED_STARTED" | "FAILED_STOPPED">;

/** Starts Fluentd and waits until it is ready. */
export async function start(
  observer: Observer,
  rules: StartRules,
  scope: OperationScope,
): Promise<StartOutcome> {
  const beganMs = performance.now();
  const sinceMs = Date.now();
  const untilMs = beganMs + rules.waitMs;
  const before = await observer.look(scope);
  const end = async (status: StartOutcome["status"], failure?: Failure): Promise<StartOutcome> => {
    const after = await observer.look(scope);
    const options = { ...scope, untilMs, observer, look: after, sinceMs };
    const told = failure && await withCause(failure, options);
    return {
      status,
      before,
      after,
      elapsedMs: performance.now() - beganMs,
      ...(told === undefined ? {} : { failure: told }),
    };
  };
  // It runs and takes what comes in; that it cannot deliver is told, and no start would mend it.
  if (before.verdict.collects) return await end("NOCHANGE");
  switch (before.verdict.health) {
    case "CRASH_LOOP":
    case "ORPHANED":
      return await end("FAILED", verdictAsFailure(before, before.verdict.health));
    case "STARTING":
    case "DEGRADED": {
      // Somebody else started it: a second start would only disturb.
      const { minHealthyMs } = rules;
      const failure = await waitReady(observer, {
        signal: waitingSignal(scope),
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
  mustRunNowhereElse(before.elsewhere);
  if (rules.validate) {
    const signal = waitingSignal(scope);
    await dryRun(await observer.manager.launch(scope), { signal, untilMs });
  }
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
  await observer.readLog(scope);
  scope.superseded.throwIfAborted();
  const { place } = observer.log;
  const sinceMs = Date.now();
  await observer.manager.start(scope);
  const signal = waitingSignal(scope);
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
    const left = await remaining(before);
    return { status: "NOCHANGE", before, after: before, killed: false, elapsedMs, ...left };
  }
  if (!rules.acceptLoss) mustLoseNothing(before);
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
    ...await remaining(before),
    elapsedMs: performance.now() - beganMs,
    ...(failure === undefined ? {} : { failure }),
  };
}

/** What the next start will find in file buffers. */
async function remaining({ config }: Look): Promise<{ remainingBufferBytes?: number }> {
  const bytes = await bytesInBufferFiles(config);
  return bytes === undefined ? {} : { remainingBufferBytes: bytes };
}

/** Stops Fluentd, if it runs, and starts it; or lets a new one take over. */
export async function restart(
  observer: Observer,
  rules: RestartRules,
  scope: OperationScope,
): Promise<RestartOutcome> {
  const { manager } = observer;
  const beganMs = performance.now();
  const sinceMs = Date.now();
  const untilMs = beganMs + rules.waitMs;
  const before = await observer.look(scope);
  const running = isRunning(before.seen);
  if (!running && rules.onlyIfRunning) {
    throw fluentdError("NOT_RUNNING", "Fluentd does not run, and only_if_running was asked for");
  }
  await manager.checkStart(scope);
  if (!running) mustRunNowhereElse(before.elsewhere);
  const takeover = rules.zeroDowntime && running;
  if (takeover) await checkTakeover(observer, before, { ...scope, untilMs });
  if (running && !rules.acceptLoss) mustLoseNothing(before);
  if (rules.validate) {
    await dryRun(await manager.launch(scope), { signal: waitingSignal(scope), untilMs });
  }
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
  const options = { ...scope, untilMs, observer, look: after, sinceMs };
  const told = failure && await withCause(failure, options);
  return {
    status: failure === undefined ? "SUCCESS" : failed,
    before,
    after,
    elapsedMs: performance.now() - beganMs,
    ...(told === undefined ? {} : { failure: told }),
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
  mustTakeSignals(before);
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

/** @throws {RpcError} `WORKER_MISSING`. */
function mustTakeSignals(look: Look): void {
  const obstacle = signalObstacle(look);
  if (obstacle === undefined) return;
  throw fluentdError("WORKER_MISSING", `No zero-downtime restart now: ${obstacle}`);
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
  const before = await observer.look(scope);
  // It may have died since.
  mustTakeSignals(before);
  const { seen: { supervisors }, facts: { takeover: formerTakeover } } = before;
  const { place } = observer.log;
  const sinceMs = Date.now();
  await observer.manager.signal("SIGUSR2", scope);
  const signal = waitingSignal(scope);
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
