/**
 * One look at Fluentd with all witnesses: the manager, the log, the sockets, the config, the monitor
 * and our memory.
 *
 * @module
 */
import { delay } from "../../../shared/async/delay.ts";
import { type ConfigFacts, ConfigReader } from "../config/reader.ts";
import { type ConfigElement, NO_CONFIG } from "../config/text.ts";
import { type FailingOutput, failingOutputs } from "./delivery.ts";
import { onFullDisk } from "../system/disk.ts";
import { Expectations, type Expected } from "./expectation.ts";
import { assess, type Evidence, type HealthVerdict, recentDeaths } from "./health.ts";
import { History } from "./history.ts";
import { DEFAULT_CONFIG_PATH, type Launch, readLaunch } from "../manager/launch.ts";
import { LogFollower } from "../log/follower.ts";
import type { LogFacts } from "../log/story.ts";
import { FileLog, type FluentdLog } from "../log/tail.ts";
import { everyProcess, type FluentdManager, type Observation } from "../manager/manager.ts";
import type { WaitOptions } from "../system/run.ts";
import { Mask } from "../mask.ts";
import type { Monitor, MonitorIdentity, MonitorReport } from "./monitor.ts";
import { type MonitorAnswer, MonitorMemory } from "./monitor_memory.ts";
import { type PluginName, PluginSchemas } from "../plugin_schemas.ts";
import { isSameProcess, readProcesses } from "../system/proc.ts";
import { type Elsewhere, findElsewhere } from "./running_elsewhere.ts";
import { pluginsOf, secretsOf } from "../config/secrets.ts";
import { type Listener, listenersOf } from "../system/sockets.ts";
import { type Warning, warningsOf } from "./warnings.ts";

/** How often to look while something is waited for. */
const POLL_MS = 100;
/** A wait this many times as long as the last look keeps the share of looking below a fifth. */
const COST_FACTOR = 4;
/** Processes younger than this are looked at more often. */
const YOUTH_MS = 10_000;
/** How it is started and where its log is hardly ever change, and may cost a command to ask. */
const SETUP_MS = 15_000;

/** The variable that names another folder than the default. */
const INCLUDE_DIR = "FLUENT_CONF_INCLUDE_DIR";
const DEFAULT_INCLUDE_DIR = "/etc/fluent/conf.d";

/** What all witnesses say at one moment. */
export interface Look {
  readonly evidence: Evidence;
  readonly seen: Observation;
  readonly facts: LogFacts;
  /** The last lines of the log. */
  readonly lines: readonly string[];
  readonly config?: ConfigFacts;
  readonly launch?: Launch;
  /** By PID, of those that may be looked into. */
  readonly listeners: ReadonlyMap<number, readonly Listener[]>;
  readonly expected: Expected;
  /** Absent when no monitor is configured, or nothing runs that it could speak for. */
  readonly identities?: readonly MonitorIdentity[];
  readonly report?: MonitorReport;
  readonly failing: readonly FailingOutput[];
  readonly fullDisks: readonly string[];
  /** Others that run although ours does not. */
  readonly elsewhere: readonly Elsewhere[];
  readonly verdict: HealthVerdict;
  readonly warnings: readonly Warning[];
  readonly nowMs: number;
}

export interface ObserverOptions {
  readonly manager: FluentdManager;
  readonly monitor?: Monitor | undefined;
  /** Nobody told which Fluentd to manage. @default false */
  readonly implicit?: boolean;
  /** Learns what is secret. @default one of its own */
  readonly mask?: Mask | undefined;
  /** @default What nobody has been asked yet. */
  readonly schemas?: PluginSchemas | undefined;
}

/** Options of a look. */
export interface LookOptions extends WaitOptions {
  /**
   * Asks the monitor and the disks too; without, what the monitor said last is what it says.
   *
   * @default true
   */
  readonly thorough?: boolean;
}

/** What the manager says of how it is started, for a while. */
interface Setup {
  /** Absent where that cannot be told. */
  readonly launch: Launch | undefined;
  readonly log: FluentdLog;
}

export class Observer {
  readonly manager: FluentdManager;
  readonly monitor: Monitor | undefined;
  readonly #implicit: boolean;
  readonly history = new History();
  readonly log = new LogFollower();
  /** For all that leaves this machine. */
  readonly mask: Mask;
  readonly #configReader = new ConfigReader();
  readonly #schemas: PluginSchemas;
  /** What the last look found, and whose plugins are to be asked. */
  #configured: { readonly root: ConfigElement; readonly launch: Launch | undefined } | undefined;
  readonly #expectations = new Expectations();
  readonly #monitorMemory = new MonitorMemory();
  #answers: { identities: MonitorIdentity[]; report?: MonitorReport | undefined } | undefined;
  #known: { readonly setup: Setup; readonly untilMs: number } | undefined;
  #costMs = 0;
  #lookedMs = -Infinity;
  /** Looks are numbered; what an older one saw is no news after a newer one. */
  #looks = 0;
  #newestLook = 0;

  constructor(options: ObserverOptions) {
    const { manager, monitor, implicit = false } = options;
    this.mask = options.mask ?? new Mask();
    this.#schemas = options.schemas ?? new PluginSchemas();
    this.manager = manager;
    this.#implicit = implicit;
    this.monitor = monitor;
  }

  /** Only the processes, noted in the history. */
  async glance(options: WaitOptions): Promise<Observation> {
    const beganMs = performance.now();
    const look = ++this.#looks;
    const seen = await this.manager.observe(options);
    this.#costMs = performance.now() - beganMs;
    if (look > this.#newestLook) {
      this.#newestLook = look;
      this.history.note(seen, Date.now());
    }
    return seen;
  }

  /** Milliseconds since the last look began. */
  get idleMs(): number {
    return performance.now() - this.#lookedMs;
  }

  /** How long to wait at least between two looks: longer where looking is dear. */
  affordableMs(pauseMs: number): number {
    return Math.max(pauseMs, this.#costMs * COST_FACTOR);
  }

  /** Waits between two looks: longer where looking is dear, as among thousands of processes. */
  async pause(options: WaitOptions & { readonly atMostMs: number }): Promise<void> {
    const { atMostMs, signal } = options;
    const ms = this.affordableMs(POLL_MS);
    await delay(Math.max(1, Math.min(ms, atMostMs)), { signal });
  }

  /** Everything. */
  async look({ signal, thorough = true }: LookOptions): Promise<Look> {
    const options = { signal };
    const beganMs = performance.now();
    this.#lookedMs = beganMs;
    const glanced = await this.glance(options);
    const { launch } = await this.#setup(options);
    const config = await this.#config(glanced, launch);
    this.#knowSecrets(config, launch);
    await this.readLog(options, config);
    // An exit is judged by who lives, and the worker may have begun after the first glance.
    const known = this.log.story.hasExits ? await this.glance(options) : glanced;
    const pids = known.workers.map(({ pid }) => pid);
    const listeners = listenersOf(pids);
    const seen = listeners.size === pids.length ? known : await withoutEnded(known);
    if (thorough) this.#answers = await this.#ask(seen, options);
    const nowMs = Date.now();
    const facts = this.log.story.facts(seen, nowMs);
    const expected = this.#expectations.note({ seen, config, listeners, facts });
    const { identities, report } = this.#answers ?? {};
    const running = everyProcess(seen).length > 0;
    const monitor = this.#monitorFacts(seen, identities, { config, listeners });
    const failing = running
      ? failingOutputs({ troubles: facts.troubles, outputs: report?.outputs, config })
      : [];
    const evidence: Evidence = {
      seen,
      facts,
      history: this.history,
      expected,
      config,
      monitor,
      failing,
      nowMs,
    };
    const verdict = assess(evidence);
    const fullDisks = thorough ? await onFullDisk(this.#places(config, launch)) : [];
    const elsewhere = thorough && !running ? await this.#elsewhere(config, launch) : [];
    const deaths = verdict.health === "CRASH_LOOP" ? 0 : recentDeaths(evidence);
    const warnings = warningsOf({
      facts: running ? facts : { ...facts, dropped: [], backups: [], unused: [] },
      config,
      failing,
      unreadable: running ? this.log.unreadable : [],
      fullDisks,
      monitorElsewhere: monitor?.elsewhere,
      deaths: running ? deaths : 0,
      elsewhere,
    });
    this.#costMs = Math.max(this.#costMs, thorough ? 0 : performance.now() - beganMs);
    return {
      evidence,
      seen,
      facts,
      lines: this.log.tail(),
      listeners,
      expected,
      failing,
      fullDisks,
      elsewhere,
      verdict,
      warnings,
      nowMs,
      ...(config === undefined ? {} : { config }),
      ...(launch === undefined ? {} : { launch }),
      ...(identities === undefined ? {} : { identities }),
      ...(report === undefined ? {} : { report }),
    };
  }

  #knowSecrets(config: ConfigFacts | undefined, launch: Launch | undefined): void {
    const root = config?.root ?? NO_CONFIG;
    if (this.#configured?.root === root && this.#configured.launch === launch) return;
    this.#configured = { root, launch };
    this.#maskAgain();
  }

  #maskAgain(): void {
    const { root, launch } = this.#configured!;
    const schemaOf = (plugin: PluginName) => this.#schemas.get(plugin);
    this.mask.know(secretsOf(root, { schemaOf, launch }));
  }

  /**
   * Asks the plugins of the config what is secret, as far as that is not known. It takes seconds, and
   * no call waits for it.
   *
   * @returns Whether something has been learned.
   */
  async learn(options: WaitOptions): Promise<boolean> {
    const { root, launch } = this.#configured ?? {};
    if (root === undefined || launch === undefined) return false;
    const learned = await this.#schemas.learn(pluginsOf(root), launch, options);
    if (learned) this.#maskAgain();
    return learned;
  }

  /** Reads the log on, wherever the manager and the config say that it is. */
  async readLog(options: WaitOptions, config?: ConfigFacts): Promise<void> {
    const { log } = await this.#setup(options);
    const own = config?.logPath === undefined ? [] : [new FileLog([config.logPath])];
    await this.log.read([log, ...own], options);
  }

  async #setup(options: WaitOptions): Promise<Setup> {
    const { manager } = this;
    const nowMs = performance.now();
    if (this.#known !== undefined && this.#known.untilMs > nowMs) return this.#known.setup;
    let launch: Launch | undefined;
    try {
      launch = await manager.launch(options);
    } catch {
      // A unit that cannot be started still has a state.
      options.signal.throwIfAborted();
    }
    const setup = { launch, log: await manager.log(options) };
    this.#known = { setup, untilMs: nowMs + SETUP_MS };
    return setup;
  }

  /** The config of the one that runs, by its own arguments; else of the one that would be started. */
  async #config(
    { supervisors }: Observation,
    launch: Launch | undefined,
  ): Promise<ConfigFacts | undefined> {
    const newest = supervisors.at(-1);
    const own = newest && readLaunch({ argv: newest.argv });
    const planned = launch && readLaunch(launch);
    const path = own?.configPath ?? planned?.configPath ?? DEFAULT_CONFIG_PATH;
    return await this.#configReader.read(path, {
      cwd: newest && await cwdOf(newest.pid),
      yaml: own?.yaml ?? planned?.yaml,
      includeDir: this.#includeDir(launch),
    });
  }

  /** The folder whose files are read too, as far as its version is known. */
  #includeDir(launch: Launch | undefined): string | undefined {
    const version = this.log.story.version ?? this.#schemas.version;
    if (version === undefined || !readsFolder(version)) return undefined;
    const inherited = launch?.cleanEnv ? undefined : Deno.env.get(INCLUDE_DIR);
    return launch?.env?.[INCLUDE_DIR] ?? inherited ?? DEFAULT_INCLUDE_DIR;
  }

  /** Only asked while none of ours runs: then its place may be taken. */
  #elsewhere(config: ConfigFacts | undefined, launch: Launch | undefined): Promise<Elsewhere[]> {
    const named = launch && readLaunch(launch).configPath;
    return findElsewhere({
      own: new Set([Deno.pid]),
      configPath: config?.path ?? named ?? DEFAULT_CONFIG_PATH,
      implicit: this.#implicit,
    });
  }

  async #ask(seen: Observation, options: WaitOptions) {
    const { monitor } = this;
    if (monitor === undefined || seen.workers.length === 0) return undefined;
    const workers = seen.workers.map(({ workerId }) => workerId);
    const [identities, report] = await Promise.all([
      Promise.all(workers.map((worker) => monitor.identify(worker, options))),
      monitor.report(workers, options),
    ]);
    return { identities: identities.filter((identity) => identity !== undefined), report };
  }

  #monitorFacts(
    seen: Observation,
    identities: readonly MonitorIdentity[] | undefined,
    { config, listeners }: Pick<Look, "listeners"> & { config: ConfigFacts | undefined },
  ): MonitorAnswer | undefined {
    if (this.monitor === undefined || identities === undefined) return undefined;
    const { port } = this.monitor;
    return this.#monitorMemory.note({
      seen,
      identities,
      port,
      config,
      listeners,
      nowMs: performance.now(),
    });
  }

  /** Files that need room. */
  *#places(config: ConfigFacts | undefined, launch: Launch | undefined): Generator<string> {
    yield* this.log.paths;
    const own = launch && readLaunch(launch).logPath;
    if (own !== undefined) yield own;
    if (config?.logPath !== undefined) yield config.logPath;
    for (const { files } of config?.outputs ?? []) {
      const [first] = files ?? [];
      if (first !== undefined) yield first.slice(0, first.search(/[*?[{]|$/));
    }
  }

  /** Whether it changed lately, so that the next look should come soon. */
  isUnsettled(seen: Observation, nowMs: number): boolean {
    const processes = [...seen.supervisors, ...seen.workers];
    const youngest = Math.max(...processes.map(({ startedAtMs }) => startedAtMs));
    return seen.supervisors.length > 0 &&
      (seen.workers.length === 0 || nowMs - youngest < YOUTH_MS);
  }
}

/**
 * Less the workers that have ended since. Their sockets cannot be seen, as those of another user's
 * process: one that failed a moment ago would be believed for its age alone.
 */
async function withoutEnded(seen: Observation): Promise<Observation> {
  const living = await readProcesses(seen.workers.map(({ pid }) => pid));
  const workers = seen.workers.filter((worker) => living.some((now) => isSameProcess(now, worker)));
  return { ...seen, workers };
}

/** Whether this version reads a folder in addition to its config: 1.19 began with it. */
function readsFolder(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 1 || major === 1 && minor >= 19;
}

async function cwdOf(pid: number): Promise<string | undefined> {
  try {
    return await Deno.readLink(`/proc/${pid}/cwd`);
  } catch {
    // Another user's: then ours is as good a guess as any.
    return undefined;
  }
}
