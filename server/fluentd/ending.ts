/**
 * How Fluentd is brought to an end, and what must not be done to it on the way.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { delay } from "../../shared/async/delay.ts";
import { describeUnsent, unsentInMemory } from "./observe/delivery.ts";
import { type Failure, fluentdError } from "./failures.ts";
import { missingWorkers } from "./observe/health.ts";
import { tailOf } from "./log/tail.ts";
import { everyProcess, isRunning } from "./manager/manager.ts";
import type { Look, Observer } from "./observe/observer.ts";
import { type OperationScope, waitingSignal } from "./operation_scope.ts";

const log = getLogger(["fluentd"]);

/** How long SIGKILL may take: a process in an uninterruptible wait does not end. */
const KILL_WAIT_MS = 5000;
const FLUSH_POLL_MS = 250;

/**
 * Makes sure that an end loses nothing that cannot be got back: what outputs that cannot deliver hold
 * in memory. What others hold is delivered at the end, as Fluentd's own stop does it.
 *
 * @throws {RpcError} `UNSENT_IN_MEMORY`.
 */
export function mustLoseNothing({ failing }: Look): void {
  const unsent = unsentInMemory(failing);
  if (unsent.length === 0) return;
  const [list = ""] = tailOf([describeUnsent(unsent)]);
  throw fluentdError(
    "UNSENT_IN_MEMORY",
    `Nothing was done, because events in memory would be lost: ${list}. Mend the destination and ` +
      "let it deliver, or ask with accept_loss",
    { metadata: { outputs: unsent.map(({ name }) => name).join(", ") } },
  );
}

/**
 * Why the supervisor must get no signal but those that end it; `undefined` if it may. Fluentd forwards
 * a signal to all workers that it started, and ends by an error where one of them is dead.
 */
export function signalObstacle(look: Look): string | undefined {
  const { seen, expected, evidence } = look;
  if (seen.supervisors.length === 0) return "there is no supervisor";
  const missing = missingWorkers(evidence);
  if (missing.length === 0 && seen.workers.length > 0) return undefined;
  return `worker ${missing.join(", ") || "0"} of ${expected.workers ?? 1} is dead, and a signal ` +
    "would end its supervisor";
}

/**
 * Asks for a flush and waits until the monitor says that the buffers are empty, as far as it can.
 * Where a worker is dead, nothing is asked: the signal would end the supervisor, and leave orphans.
 */
export async function flush(
  observer: Observer,
  untilMs: number,
  scope: OperationScope,
): Promise<void> {
  const obstacle = signalObstacle(await observer.look(scope));
  if (obstacle !== undefined) {
    log.warn("Nothing is flushed before the stop: {obstacle}", { obstacle });
    return;
  }
  await observer.manager.signal("SIGUSR1", scope);
  for (;;) {
    await delay(FLUSH_POLL_MS, scope);
    const workers = (await observer.glance(scope)).workers.map(({ workerId }) => workerId);
    const report = await observer.monitor?.report(workers, scope);
    const { queuedBytes = 0, stageBytes = 0, queueLength = 0 } = report?.buffers ?? {};
    if (queuedBytes + stageBytes + queueLength === 0 || performance.now() >= untilMs) return;
  }
}

export interface EndOptions {
  readonly untilMs: number;
  readonly force: boolean;
}

/**
 * Asks all processes to end and waits until none is left.
 *
 * @throws {RpcError} `SUPERSEDED`, if another operation takes over.
 */
export async function endProcesses(
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
    scope.superseded.throwIfAborted();
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
      // Each time again: what forked meanwhile has to go as well.
      killed = await manager.kill(scope) || killed;
      if (killUntilMs === Infinity) killUntilMs = nowMs + KILL_WAIT_MS;
    }
    const atMostMs = untilMs > nowMs ? untilMs - nowMs : Infinity;
    await observer.pause({ signal: waitingSignal(scope), atMostMs });
  }
  return { killed };
}
