/**
 * Processes as `/proc` shows them, so that a PID that was used again is never mistaken for the
 * process that had it before: a process *is* its PID together with its start time.
 *
 *     /proc/<pid>/stat → pid (comm) state ppid pgrp session … starttime …
 *
 * `comm` may itself hold blanks and parentheses: what follows the last ")" is what counts.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 * @module
 */
import { setImmediate } from "node:timers/promises";

/** One process, at one moment. */
export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  /** Process group. */
  readonly pgid: number;
  /** Session. */
  readonly sid: number;
  /** Clock ticks between boot and start: with the PID, the identity of a process. */
  readonly startTicks: number;
  /** The same in milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** Empty for a kernel thread or when the process ended meanwhile. */
  readonly argv: readonly string[];
}

/** A process without its command line, which costs a second file to read. */
export interface ProcessStat extends Omit<ProcessInfo, "argv" | "startedAtMs"> {
  readonly state: string;
  /** The name of its program's file, as it was started: 15 bytes at most. */
  readonly comm: string;
}

/** `sysconf(_SC_CLK_TCK)`: 100 on every Linux that Deno runs on, whatever the kernel's own tick. */
const TICKS_PER_SECOND = 100;
/** How many `/proc` files are open at once. */
const BATCH = 64;
/** States of a process that runs no more and only waits for its parent: zombie, dead. */
const ENDED = new Set(["Z", "X", "x"]);

/** Reads one line of `/proc/<pid>/stat`; `undefined` if it is no such line. */
export function parseStat(text: string): ProcessStat | undefined {
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  // Numbers of proc_pid_stat(5), which counts from 1 and calls `state` field 3.
  const number = (field: number) => Number(fields[field - 3]);
  const numbers = {
    pid,
    ppid: number(4),
    pgid: number(5),
    sid: number(6),
    startTicks: number(22),
  };
  if (Object.values(numbers).some((value) => Number.isNaN(value))) return undefined;
  const comm = text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
  return { ...numbers, state: fields[0] ?? "", comm };
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    // It ended between two looks, or it is another user's: both are no answer.
    return undefined;
  }
}

async function readStat(pid: number, task = ""): Promise<ProcessStat | undefined> {
  const stat = parseStat(await readText(`/proc/${pid}${task}/stat`) ?? "");
  return stat === undefined || ENDED.has(stat.state) ? undefined : stat;
}

/** Twice what `/proc/uptime` counts in: what differs by less is the same moment. */
const SAME_MS = 20;
let knownBootMs = -Infinity;

/**
 * When the machine was booted, in milliseconds since the epoch: finer than the `btime` of
 * `/proc/stat`, which is in seconds. The same until the clock is set, so that start times can be
 * compared. Read without a pause, in which one of the two clocks would go on.
 */
function bootMs(): number {
  const fromMs = Date.now();
  const uptimeMs = Number.parseFloat(Deno.readTextFileSync("/proc/uptime")) * 1000;
  const toMs = Date.now();
  // However long the reading took, the boot was between these two.
  const [earliest, latest] = [fromMs - uptimeMs, toMs - uptimeMs];
  if (knownBootMs < earliest - SAME_MS || knownBootMs > latest + SAME_MS) knownBootMs = latest;
  return knownBootMs;
}

async function withDetails(
  { state: _state, comm: _comm, ...stat }: ProcessStat,
): Promise<ProcessInfo> {
  const cmdline = await readText(`/proc/${stat.pid}/cmdline`) ?? "";
  return {
    ...stat,
    startedAtMs: Math.round(bootMs() + stat.startTicks / TICKS_PER_SECOND * 1000),
    // A title set by setproctitle is padded with NULs up to the old length.
    argv: cmdline.replace(/\0+$/, "").split("\0").filter((arg, i) => i > 0 || arg !== ""),
  };
}

/** The living process with this PID, if there is one; zombies do not live. */
export async function readProcess(pid: number): Promise<ProcessInfo | undefined> {
  const stat = await readStat(pid);
  return stat && await withDetails(stat);
}

/** The living processes among these PIDs. */
export async function readProcesses(pids: Iterable<number>): Promise<ProcessInfo[]> {
  const found = await inBatches([...pids], readProcess);
  return found.filter((process) => process !== undefined);
}

/**
 * Whether nothing of this process runs. One whose first thread alone has ended is a zombie in
 * `/proc` just as well, and may go on without limit.
 */
export async function hasEnded(pid: number): Promise<boolean> {
  const stats: Promise<ProcessStat | undefined>[] = [];
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
      stats.push(readStat(pid, `/task/${name}`));
    }
  } catch {
    // Nobody is left.
  }
  return (await Promise.all(stats)).every((stat) => stat === undefined);
}

/** Bytes of a line of `stat`; it is far shorter. */
const MAX_STAT_BYTES = 4096;
/** Files that are read before others have their turn. */
const FILES_PER_TURN = 256;

let listed: { readonly stats: readonly ProcessStat[]; readonly atMs: number } | undefined;

/**
 * All living processes that this user may see.
 *
 * Each file is opened and read at once, without a thread: it is made by the kernel as it is read, so
 * that nothing has to be waited for, and a pool of threads costs several times as much as the reading.
 */
export async function listStats(): Promise<readonly ProcessStat[]> {
  const atMs = performance.now();
  const line = new Uint8Array(MAX_STAT_BYTES);
  const decoder = new TextDecoder();
  const stats: ProcessStat[] = [];
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    if (++count % FILES_PER_TURN === 0) await setImmediate();
    try {
      using file = Deno.openSync(`/proc/${name}/stat`);
      const stat = parseStat(decoder.decode(line.subarray(0, file.readSync(line) ?? 0)));
      if (stat !== undefined && !ENDED.has(stat.state)) stats.push(stat);
    } catch {
      // It ended between two looks, or it is another user's.
    }
  }
  listed = { stats, atMs };
  return stats;
}

/** The same, if need be as it was shortly before: for those who look closer at a few of them. */
export async function recentStats(maxAgeMs: number): Promise<readonly ProcessStat[]> {
  const isRecent = listed !== undefined && performance.now() - listed.atMs <= maxAgeMs;
  return isRecent ? listed!.stats : await listStats();
}

/**
 * These processes and all that they started, without a look at any other: so it costs the same
 * among ten processes and ten thousand. What has lost its parent is not among them.
 */
export async function descendantsOf(pids: Iterable<number>): Promise<Set<number>> {
  const found = new Set(pids);
  // A set that grows is walked to its new end.
  for (const pid of found) {
    for (const child of await childrenOf(pid)) found.add(child);
  }
  return found;
}

/** Each thread has children of its own. Empty too on a kernel without CONFIG_PROC_CHILDREN. */
async function childrenOf(pid: number): Promise<number[]> {
  const texts: Promise<string | undefined>[] = [];
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
      texts.push(readText(`/proc/${pid}/task/${name}/children`));
    }
  } catch {
    // It has ended.
  }
  return (await Promise.all(texts)).flatMap((text = "") =>
    text.split(" ").filter((word) => word !== "").map(Number)
  );
}

async function inBatches<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += BATCH) {
    results.push(...await Promise.all(items.slice(i, i + BATCH).map(read)));
  }
  return results;
}

/**
 * A variable of the environment that a process was started with.
 *
 * @returns `null` if it has no such variable, `undefined` if it may not be read or has none yet:
 *   a process that becomes another program is for a moment without any.
 */
export async function readEnv(pid: number, name: string): Promise<string | null | undefined> {
  const text = await readText(`/proc/${pid}/environ`);
  if (!text) return undefined;
  const entry = text.split("\0").find((entry) => entry.startsWith(`${name}=`));
  return entry?.slice(name.length + 1) ?? null;
}

/** Whether both are the same process, not only the same PID. */
export function isSameProcess(
  a: Pick<ProcessInfo, "pid" | "startTicks">,
  b: Pick<ProcessInfo, "pid" | "startTicks">,
): boolean {
  return a.pid === b.pid && a.startTicks === b.startTicks;
}

/**
 * Sends a signal to this very process.
 *
 * @returns False if it has ended, even if another process has its PID now.
 * @throws {Deno.errors.PermissionDenied} If it belongs to somebody else.
 * @throws {RangeError} If the PID is 1 or less: that is init, or more than one process.
 */
export async function signalProcess(
  process: Pick<ProcessInfo, "pid" | "startTicks">,
  signal: Deno.Signal,
): Promise<boolean> {
  // To kill(2), 0 is our own group and what is negative a whole group, or everybody; 1 is init.
  if (!(Number.isInteger(process.pid) && process.pid > 1)) {
    throw new RangeError(`Cannot send ${signal} to process ${process.pid}: not a single process`);
  }
  const now = await readStat(process.pid);
  if (now === undefined || !isSameProcess(now, process)) return false;
  try {
    Deno.kill(process.pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** An id that changes with each boot: start times of another boot mean nothing. */
export async function bootId(): Promise<string> {
  return (await readText("/proc/sys/kernel/random/boot_id") ?? "").trim();
}

/** Every living process of this Fluentd, sorted by its part. */
export interface Processes {
  /** One; two during a zero-downtime restart; none when the workers are orphans. */
  readonly supervisors: readonly ProcessInfo[];
  readonly workers: readonly WorkerProcess[];
  /** What they started: exec plugins, helpers. */
  readonly others: readonly ProcessInfo[];
}

export interface WorkerProcess extends ProcessInfo {
  /** Fluentd's own number of it, from 0. */
  readonly workerId: number;
}
