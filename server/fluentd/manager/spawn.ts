/**
 * Fluentd as our own child: in the foreground, in its own session, and not bound to our life.
 *
 * - It outlives us: its output goes to a file, not to a pipe that would break with us.
 * - It is found again after our restart: by PID and start time from the state file, and by a
 *   mark in its environment, which its workers and whatever else it starts inherit. So orphans
 *   are found too, and a PID that was used again never is.
 * - `-d` is refused: a daemon leaves its starter, reports success before it fails, and a second
 *   one overwrites the PID file of the first.
 *
 * @module
 */
import { basename, join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { comesWithin } from "../../../shared/async/deadline.ts";
import { BACKUP_DIR, backupObstacle } from "./backup_dir.ts";
import { fluentdError } from "../failures.ts";
import { type Launch, quotingObstacle, readLaunch } from "./launch.ts";
import { FileLog, type FluentdLog } from "../log/tail.ts";
import {
  everyProcess,
  type ExitStatus,
  type FluentdManager,
  isWorker,
  type Observation,
  sortProcesses,
} from "./manager.ts";
import type { WaitOptions } from "../system/run.ts";
import {
  bootId,
  descendantsOf,
  hasEnded,
  isSameProcess,
  listStats,
  type ProcessInfo,
  type ProcessStat,
  readEnv,
  readProcess,
  readProcesses,
  signalProcess,
} from "../system/proc.ts";
import { StateFile } from "../system/state_file.ts";

const log = getLogger(["fluentd", "spawn"]);

/** The mark in the environment of all that we start. */
const MARK = "GHUB_FLUENTD_ID";
/** How long an exit status may take to be known and written after the process has gone. */
const RECORD_MS = 60_000;
/** The same where threads are left: they may be about to end as well, or live on. */
const THREADS_MS = 2000;
/** The captured output is cut when it is longer; one older part of this size is kept. */
const MAX_CAPTURE_BYTES = 8 * 1024 * 1024;

/** What must survive our restart. */
interface SpawnState {
  readonly version: 1;
  /** Value of the mark; made once for a state directory. */
  readonly mark: string;
  /** Start times count from a boot; the leader of another boot is gone. */
  readonly bootId: string;
  /** The process that we started last. Its PID is also its session and process group. */
  readonly leader?: { readonly pid: number; readonly startTicks: number };
  readonly lastExit?: ExitStatus;
}

/** Whether this is a record that we can have written. */
export function isSpawnState(value: unknown): value is SpawnState {
  const { version, mark, bootId, leader } = (value ?? {}) as Record<string, unknown>;
  // Session 0 and PID 1 are never ours: a damaged record must not make them so.
  const { pid, startTicks } = (leader ?? { pid: 2, startTicks: 1 }) as Record<string, unknown>;
  return version === 1 && typeof mark === "string" && mark !== "" && typeof bootId === "string" &&
    Number.isInteger(pid) && Number(pid) > 1 && Number.isInteger(startTicks);
}

export interface SpawnOptions {
  readonly command: readonly string[];
  readonly configPath?: string | undefined;
  /** Must exist. */
  readonly stateDir: string;
  /** Fluentd's own log file, where it has one that the command does not name. */
  readonly logPath?: string | undefined;
}

/** A process that we started ourselves. */
interface Child {
  readonly pid: number;
  /** Resolves when its exit status is known and written. */
  readonly recorded: Promise<void>;
}

/**
 * Whoever is told that Fluentd has ended must also be told how, which comes a moment later: a long
 * one on a busy machine. A process whose first thread has ended only looks as if it had ended.
 */
async function recordEnd(
  { pid, recorded }: Child,
  options: Partial<WaitOptions> = {},
): Promise<void> {
  if (await readProcess(pid) !== undefined) return;
  if (!await hasEnded(pid)) {
    if (await comesWithin(recorded, THREADS_MS, options) || !await hasEnded(pid)) return;
  }
  await comesWithin(recorded, RECORD_MS, options);
}

export class SpawnManager implements FluentdManager {
  readonly kind = "SPAWN";
  readonly #launch: Launch;
  /** Set for it in addition to what we have ourselves. */
  readonly #env: Readonly<Record<string, string>>;
  readonly #capture: string;
  readonly #log: FileLog;
  readonly #file: StateFile<SpawnState>;
  #state: SpawnState;
  /** The process that we started ourselves, until its exit status is recorded. */
  #child: Child | undefined;
  #closed = false;
  /**
   * PID and start of those that have not our mark: they are not asked again, because nobody gets one
   * later. As many as there are processes.
   */
  #strangers: ReadonlySet<string> = new Set();
  /** What the last look found. */
  #known: readonly ProcessInfo[] = [];

  private constructor(
    options: SpawnOptions,
    file: StateFile<SpawnState>,
    state: SpawnState,
  ) {
    const { command, configPath, stateDir, logPath } = options;
    const argv = [...command, ...(configPath === undefined ? [] : ["-c", configPath])];
    const fluentConf = Deno.env.get("FLUENT_CONF");
    // Our folder is for us alone: a Fluentd that changes its user keeps the place of all.
    const staysOurs = !argv.some((arg) => /^--user(=|$)/.test(arg));
    this.#env = staysOurs && !Deno.env.get(BACKUP_DIR)
      ? { [BACKUP_DIR]: join(stateDir, "fluentd-backup") }
      : {};
    this.#launch = {
      argv,
      ...(fluentConf === undefined ? {} : { env: { FLUENT_CONF: fluentConf } }),
    };
    this.#capture = join(stateDir, "fluentd.log");
    const own = logPath ?? readLaunch(this.#launch).logPath;
    this.#log = new FileLog([this.#capture, ...(own === undefined ? [] : [own])]);
    this.#file = file;
    this.#state = state;
  }

  /**
   * @throws {TypeError} If the command cannot be managed.
   */
  static async open(options: SpawnOptions): Promise<SpawnManager> {
    const { command, stateDir } = options;
    if (command.length === 0) throw new TypeError("The fluentd command is empty");
    if (readLaunch({ argv: command }).daemon) {
      throw new TypeError(
        'The fluentd command must not have "-d": gserver keeps fluentd in the foreground itself',
      );
    }
    const file = new StateFile(join(stateDir, "fluentd.json"), isSpawnState);
    const boot = await bootId();
    let state = await file.read();
    if (state?.bootId !== boot) {
      const { mark = crypto.randomUUID(), lastExit } = state ?? {};
      state = { version: 1, mark, bootId: boot, ...(lastExit ? { lastExit } : {}) };
      await file.write(state);
    }
    return new SpawnManager(options, file, state);
  }

  async observe(options: WaitOptions): Promise<Observation> {
    // Before the list is made, or what starts meanwhile would seem to have ended.
    const child = this.#child;
    const processes = await this.#quickly() ?? await this.#thoroughly();
    if (child !== undefined && !processes.some(({ pid }) => pid === child.pid)) {
      await recordEnd(child, options);
    }
    const { leader, lastExit } = this.#state;
    const main = leader && processes.find((process) => isSameProcess(process, leader));
    return {
      ...await sortProcesses(processes, main?.pid ?? this.#adopted(processes)?.pid),
      ...(lastExit === undefined ? {} : { lastExit }),
    };
  }

  /** By a look at each process of the machine: finds those too that have lost their parent. */
  async #thoroughly(): Promise<readonly ProcessInfo[]> {
    return this.#known = await readProcesses(await this.#mine(await listStats()));
  }

  /**
   * By those that were found last and all that they started, while the leader and a worker live.
   * Once they do not, orphans are to be looked for; so they are from time to time (`tend`).
   */
  async #quickly(): Promise<readonly ProcessInfo[] | undefined> {
    const known = this.#known;
    const { leader } = this.#state;
    if (leader === undefined || !known.some((process) => isSameProcess(process, leader))) return;
    // Whoever has the PID of one that has ended is none of ours, nor is what that one started.
    const still = (await readProcesses(known.map(({ pid }) => pid)))
      .filter((now) => known.some((before) => isSameProcess(before, now)));
    const pids = await descendantsOf(still.map(({ pid }) => pid));
    for (const { pid } of still) pids.delete(pid);
    const processes = [...still, ...await readProcesses(pids)];
    const living = processes.some((process) => isSameProcess(process, leader));
    return living && processes.some(isWorker) ? this.#known = processes : undefined;
  }

  /** Should we have died between a start and its record: the eldest that looks as we start it. */
  #adopted(processes: readonly ProcessInfo[]): ProcessInfo | undefined {
    const { argv: [program = "", ...args] } = this.#launch;
    return processes.find(({ pid, sid, argv }) =>
      pid === sid && argv.some((arg) => basename(arg) === basename(program)) &&
      args.every((arg, i) => argv.at(i - args.length) === arg)
    );
  }

  /** PIDs of all that we started and all that this started. */
  async #mine(stats: readonly ProcessStat[]): Promise<Set<number>> {
    const { leader } = this.#state;
    const mine = new Set<number>();
    const strangers = new Set<string>();
    for (const stat of stats) {
      if (leader !== undefined && isSameProcess(stat, leader)) mine.add(stat.pid);
      // Who may carry our mark: its session, and those whose parent has died.
      const candidate = stat.sid === leader?.pid || stat.ppid === 1 || stat.ppid === Deno.pid;
      if (!candidate) continue;
      const { pid, startTicks } = stat;
      const key = `${pid}/${startTicks}`;
      const marked = this.#strangers.has(key) ? false : await this.#isMarked(stat);
      if (marked === true) mine.add(pid);
      else if (marked === false) strangers.add(key);
    }
    this.#strangers = strangers;
    // A parent may stand after its child in the list, so until nothing is added.
    for (let before = -1; before !== mine.size;) {
      before = mine.size;
      for (const { pid, ppid } of stats) if (mine.has(ppid)) mine.add(pid);
    }
    mine.delete(Deno.pid);
    return mine;
  }

  /** @returns `undefined` if it is none of ours, as far as can be seen now. */
  async #isMarked({ pid, sid, startTicks }: ProcessStat): Promise<boolean | undefined> {
    const { mark, leader } = this.#state;
    const value = await readEnv(pid, MARK);
    if (value !== undefined) return value === mark;
    // Fluentd changed its user, and we may not look: then its session tells. A session's id is
    // not given to a new process while one member lives.
    return leader !== undefined && sid === leader.pid && startTicks >= leader.startTicks ||
      undefined;
  }

  launch(): Promise<Launch> {
    return Promise.resolve(this.#launch);
  }

  log(): Promise<FluentdLog> {
    return Promise.resolve(this.#log);
  }

  /** All that it writes is caught, and a part of the log. */
  lastWords(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  checkStart(): Promise<void> {
    return Promise.resolve();
  }

  async start({ signal }: WaitOptions): Promise<void> {
    await this.#cutCapture();
    // Created here, so that it is for the owner's eyes only.
    (await Deno.open(this.#capture, { create: true, append: true, mode: 0o600 })).close();
    signal.throwIfAborted();
    const child = new Deno.Command("/bin/sh", {
      // The shell only opens the file and becomes fluentd: the PID stays.
      args: ["-c", 'exec "$@" >>"$0" 2>&1', this.#capture, ...this.#launch.argv],
      env: { ...this.#env, [MARK]: this.#state.mark },
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    child.unref();
    const recorded = child.status.then((status) => this.#exited(child.pid, status));
    this.#child = { pid: child.pid, recorded };
    const started = await readProcess(child.pid);
    if (started === undefined) {
      // It has ended already, and what is left is its exit status.
      await recordEnd(this.#child, { signal });
    } else {
      const { pid, startTicks } = started;
      await this.#save({ leader: { pid, startTicks } });
    }
    log.info("Started fluentd as process {pid}", { pid: child.pid });
  }

  async #exited(pid: number, { code, signal }: Deno.CommandStatus): Promise<void> {
    const how = signal === null ? { code } : { signal };
    log.info("Fluentd process {pid} ended: {how}", { pid, how });
    await this.#save({ lastExit: { ...how, timeMs: Date.now() } });
    if (this.#child?.pid === pid) this.#child = undefined;
  }

  async #save(change: Partial<SpawnState>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    // Another gserver may own the file by now.
    if (this.#closed) return;
    try {
      await this.#file.write(this.#state);
    } catch (error) {
      // The mark finds the processes again even so.
      log.error("Cannot write {path}: {error}", { path: this.#file.path, error });
    }
  }

  async stop(options: WaitOptions): Promise<void> {
    const seen = await this.observe(options);
    const targets = seen.supervisors.length > 0 ? seen.supervisors : everyProcess(seen);
    await Promise.all(targets.map((process) => this.#send(process, "SIGTERM")));
  }

  async signal(signal: "SIGUSR1" | "SIGUSR2", options: WaitOptions): Promise<void> {
    const { supervisors } = await this.observe(options);
    const newest = supervisors.at(-1);
    if (newest !== undefined) await this.#send(newest, signal);
  }

  async kill(options: WaitOptions): Promise<boolean> {
    const all = everyProcess(await this.observe(options));
    const sent = await Promise.all(all.map((process) => this.#send(process, "SIGKILL")));
    return sent.includes(true);
  }

  async #send(process: ProcessInfo, signal: Deno.Signal): Promise<boolean> {
    try {
      return await signalProcess(process, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      throw fluentdError(
        "AGENT_PRIVILEGE",
        `Cannot send ${signal} to process ${process.pid}: it belongs to another user; run gserver ` +
          `as root or as fluentd's user`,
        { metadata: { pid: String(process.pid) }, cause: error },
      );
    }
  }

  async zeroDowntimeObstacle(): Promise<string | undefined> {
    const { leader } = this.#state;
    return quotingObstacle(this.#launch) ??
      (leader && await backupObstacle(leader.pid, readLaunch(this.#launch).configPath));
  }

  async tend(): Promise<void> {
    await this.#thoroughly();
    await this.#cutCapture();
  }

  /**
   * Bounds the captured output: its end is copied aside, then it is cut in place, as logrotate's
   * copytruncate. Fluentd holds the file open for appending; what it writes in between is lost.
   */
  async #cutCapture(): Promise<void> {
    try {
      using file = await Deno.open(this.#capture, { read: true, write: true });
      const { size } = await file.stat();
      if (size <= MAX_CAPTURE_BYTES) return;
      await file.seek(size - MAX_CAPTURE_BYTES, Deno.SeekMode.Start);
      await Deno.writeFile(`${this.#capture}.1`, file.readable, { mode: 0o600 });
      await Deno.truncate(this.#capture);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Leaves fluentd running. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== undefined) await recordEnd(this.#child);
    this.#closed = true;
    await this.#file.flush();
  }
}
