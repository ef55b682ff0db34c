/**
 * The seam to whatever keeps Fluentd: systemd, or we ourselves. A manager looks and asks; it
 * never judges. What start, stop and restart *mean* is written once, in rules.ts.
 *
 * @module
 */
import { basename } from "node:path";
import type { Launch } from "./launch.ts";
import type { FluentdLog } from "../log/tail.ts";
import { type Processes, type ProcessInfo, readEnv, type WorkerProcess } from "../system/proc.ts";
import type { WaitOptions } from "../system/run.ts";

/** How a process ended. */
export interface ExitStatus {
  /** Absent when a signal ended it. */
  readonly code?: number;
  readonly signal?: string;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
}

/** What systemd says of the unit. */
export interface UnitState {
  /** Resolved from aliases. */
  readonly id: string;
  readonly activeState: string;
  readonly subState: string;
  readonly result: string;
  readonly restarts: number;
  /** The unit's file changed since systemd read it. */
  readonly needsReload: boolean;
}

/** What a manager sees at one moment. */
export interface Observation extends Processes {
  readonly unit?: UnitState;
  /** How the last supervisor ended, where that could be seen. */
  readonly lastExit?: ExitStatus;
}

export interface FluentdManager extends AsyncDisposable {
  readonly kind: "SYSTEMD" | "SPAWN";
  /** Looks. Has no effect on Fluentd. */
  observe(options: WaitOptions): Promise<Observation>;
  /** How Fluentd is started: for a dry run with the very same arguments and rights. */
  launch(options: WaitOptions): Promise<Launch>;
  /** Fluentd's own log. */
  log(options: WaitOptions): Promise<FluentdLog>;
  /**
   * What it wrote elsewhere than to its log since then, such as before that was open.
   *
   * @param sinceMs Milliseconds since the epoch.
   */
  lastWords(sinceMs: number, options: WaitOptions): Promise<readonly string[]>;
  /**
   * Whether a start could be asked for at all.
   *
   * @throws {RpcError} If not: no such unit, a masked unit, no rights.
   */
  checkStart(options: WaitOptions): Promise<void>;
  /** Asks for a start and returns once that was asked. Only call it when nothing runs. */
  start(options: WaitOptions): Promise<void>;
  /** Asks to stop whatever is left of Fluentd, with or without its supervisor. */
  stop(options: WaitOptions): Promise<void>;
  /** Sends a signal to the supervisor. */
  signal(signal: "SIGUSR1" | "SIGUSR2", options: WaitOptions): Promise<void>;
  /** Kills every process that is left; returns whether there was one. */
  kill(options: WaitOptions): Promise<boolean>;
  /** Why a zero-downtime restart cannot work here; `undefined` if it can. */
  zeroDowntimeObstacle(options: WaitOptions): Promise<string | undefined>;
  /** Called every few seconds while the service runs, for what has to be tended. */
  tend(options: WaitOptions): Promise<void>;
}

/** All of them, each once: without a supervisor (`--no-supervisor`) one process is both parts. */
export function everyProcess(processes: Processes): ProcessInfo[] {
  const { supervisors, workers, others } = processes;
  return [...new Map([...others, ...workers, ...supervisors].map((p) => [p.pid, p])).values()];
}

/** Whether anything runs, or is about to by systemd's own doing. */
export function isRunning(seen: Observation): boolean {
  return everyProcess(seen).length > 0 ||
    ["active", "activating", "deactivating", "reloading"].includes(seen.unit?.activeState ?? "");
}

/** Fluentd gives its workers this argument; with `<system> process_name` a title instead. */
export function isWorker({ argv }: ProcessInfo): boolean {
  return argv.includes("--under-supervisor") || (argv[0]?.startsWith("worker:") ?? false);
}

/**
 * Sorts the processes of one Fluentd by their part.
 *
 * @param mainPid The supervisor, as far as its starter knows. A process that has workers as
 *   children is one too: after a zero-downtime restart nobody else knows of it.
 */
export async function sortProcesses(
  processes: readonly ProcessInfo[],
  mainPid: number | undefined,
): Promise<Processes> {
  const standalone = processes.find(({ pid, argv }) =>
    pid === mainPid && argv.includes("--no-supervisor")
  );
  const workers = standalone ? [standalone] : processes.filter(isWorker);
  const parents = new Set(workers.map(({ ppid }) => ppid));
  const candidates = processes.filter((process) =>
    !isWorker(process) && (process.pid === mainPid || parents.has(process.pid))
  );
  const supervisors = candidates.filter((process) =>
    parents.has(process.pid) || isFluentdItself(process) ||
    !candidates.some((other) => other !== process && isAbove(process, other, processes))
  );
  const sorted = new Set<ProcessInfo>([...workers, ...supervisors]);
  return {
    supervisors: supervisors.toSorted(byAge),
    workers: await withWorkerIds(workers.toSorted(byAge)),
    others: processes.filter((process) => !sorted.has(process)),
  };
}

/**
 * Whether its own program is Fluentd. A wrapper that starts it and waits, such as tini, has Fluentd's
 * name in its arguments too; a supervisor that hands over stands above its successor, as a wrapper does.
 */
function isFluentdItself({ argv: [program = ""] }: ProcessInfo): boolean {
  return /^(?:ruby|fluentd|td-agent)/.test(basename(program)) || program.startsWith("supervisor:");
}

/** Whether `above` has started `below`, by itself or by another one between. */
function isAbove(
  above: ProcessInfo,
  below: ProcessInfo,
  processes: readonly ProcessInfo[],
): boolean {
  for (
    let at: ProcessInfo | undefined = below, steps = 0;
    at !== undefined && steps < processes.length;
    steps++
  ) {
    const { ppid }: ProcessInfo = at;
    if (ppid === above.pid) return true;
    at = processes.find(({ pid }) => pid === ppid);
  }
  return false;
}

function byAge(a: ProcessInfo, b: ProcessInfo): number {
  return a.startTicks - b.startTicks || a.pid - b.pid;
}

async function withWorkerIds(workers: readonly ProcessInfo[]): Promise<WorkerProcess[]> {
  const told = await Promise.all(
    workers.map(({ pid }) => readEnv(pid, "SERVERENGINE_WORKER_ID")),
  );
  const taken = new Set(told.map((id) => id ? Number(id) : undefined));
  let free = 0;
  return workers.map((worker, i) => {
    const id = told[i];
    if (id) return { ...worker, workerId: Number(id) };
    // Not another one's: what was just born may not have its environment yet.
    while (taken.has(free)) free++;
    return { ...worker, workerId: free++ };
  });
}
