/**
 * Fluentd as a unit of systemd, such as fluent-package installs it.
 *
 * PIDs are asked for each time and never kept: a zero-downtime restart changes the main one.
 * The unit's control group tells every process, orphans included.
 *
 * @module
 */
import { join } from "node:path";
import { fluentdError } from "../failures.ts";
import { backupObstacle } from "./backup_dir.ts";
import { type Launch, quotingObstacle, readLaunch } from "./launch.ts";
import { JournalLog } from "./journal.ts";
import { FileLog, type FluentdLog } from "../log/tail.ts";
import {
  everyProcess,
  type ExitStatus,
  type FluentdManager,
  type Observation,
  sortProcesses,
} from "./manager.ts";
import type { WaitOptions } from "../system/run.ts";
import { readProcesses } from "../system/proc.ts";
import { readFromBus, readFromShow } from "./service_properties.ts";
import { Systemctl, type UnitProperties } from "./systemctl.ts";
import { launchOf } from "./unit_launch.ts";

/** Where control groups are: the second one with the old hierarchy. */
const CGROUP_ROOTS = ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd"];
/** Types of units whose supervisor may be replaced by another process. */
const REPLACEABLE_TYPES = new Set(["forking", "notify", "notify-reload"]);
/** `ExecMainCode`: CLD_EXITED of waitid(2); the others mean a signal. */
const CLD_EXITED = "1";

const SIGNAL_NAMES: Record<number, string> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  15: "SIGTERM",
};

export interface SystemdOptions {
  readonly unit: string;
  /** The config that the unit uses, where its command does not tell. */
  readonly configPath?: string | undefined;
  readonly logPath?: string | undefined;
  /** @default ["systemctl"] */
  readonly systemctl?: readonly string[] | undefined;
  /** @default ["busctl"] */
  readonly busctl?: readonly string[] | undefined;
  /** @default ["journalctl"] */
  readonly journalctl?: readonly string[] | undefined;
  /** @default ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd"] */
  readonly cgroupRoots?: readonly string[] | undefined;
}

export class SystemdManager implements FluentdManager {
  readonly kind = "SYSTEMD";
  readonly #options: SystemdOptions;
  readonly #systemctl: Systemctl;
  readonly #cgroupRoots: readonly string[];

  constructor(options: SystemdOptions) {
    const { unit, systemctl = ["systemctl"], cgroupRoots = CGROUP_ROOTS } = options;
    this.#options = options;
    this.#systemctl = new Systemctl(systemctl, unit);
    this.#cgroupRoots = cgroupRoots;
  }

  /** Whether systemd answers and knows the unit, and whether that runs. */
  async standing(options: WaitOptions): Promise<"unknown" | "inactive" | "active"> {
    const { LoadState, ActiveState } = await this.#systemctl.show(options);
    if (LoadState === "not-found" || LoadState === "") return "unknown";
    return ActiveState === "inactive" || ActiveState === "failed" ? "inactive" : "active";
  }

  async observe(options: WaitOptions): Promise<Observation> {
    const unit = await this.#systemctl.show(options);
    const processes = await readProcesses(await this.#pids(unit.ControlGroup));
    const lastExit = exitOf(unit);
    return {
      ...await sortProcesses(processes, Number(unit.MainPID) || undefined),
      ...(lastExit === undefined ? {} : { lastExit }),
      unit: {
        id: unit.Id,
        activeState: activeStateOf(unit),
        subState: unit.SubState,
        result: unit.Result,
        restarts: Number(unit.NRestarts) || 0,
        needsReload: unit.NeedDaemonReload === "yes",
      },
    };
  }

  async #pids(controlGroup: string): Promise<number[]> {
    if (controlGroup === "") return [];
    for (const root of this.#cgroupRoots) {
      try {
        const text = await Deno.readTextFile(join(root, controlGroup, "cgroup.procs"));
        return text.split("\n").filter((line) => line !== "").map(Number);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    // systemd removes the group with its last process.
    return [];
  }

  async launch(options: WaitOptions): Promise<Launch> {
    const { configPath } = this.#options;
    const unit = await this.#known(options);
    const launch = await this.#launchOf(unit, options);
    return configPath === undefined
      ? launch
      : { ...launch, argv: [...launch.argv, "-c", configPath] };
  }

  async #launchOf(unit: UnitProperties, options: WaitOptions): Promise<Launch> {
    const { busctl = ["busctl"] } = this.#options;
    const properties = await readFromBus(busctl, unit.Id, options) ?? readFromShow(unit);
    return await launchOf(properties, options);
  }

  async log(options: WaitOptions): Promise<FluentdLog> {
    const { logPath, journalctl = ["journalctl"] } = this.#options;
    if (logPath !== undefined) return new FileLog([logPath]);
    const unit = await this.#systemctl.show(options);
    const named = readLaunch(await this.#launchOf(unit, options)).logPath;
    return named === undefined
      ? new JournalLog(journalctl, unit.Id || this.#options.unit)
      : new FileLog([named]);
  }

  async lastWords(sinceMs: number, options: WaitOptions): Promise<readonly string[]> {
    const { journalctl = ["journalctl"] } = this.#options;
    const { Id } = await this.#systemctl.show(options);
    return await new JournalLog(journalctl, Id).wordsSince(sinceMs, options);
  }

  async #known(options: WaitOptions): Promise<UnitProperties> {
    const unit = await this.#systemctl.show(options);
    const metadata = { unit: this.#options.unit };
    if (unit.LoadState === "masked") {
      throw fluentdError(
        "UNIT_MASKED",
        `Unit ${unit.Id} is masked: run "systemctl unmask ${unit.Id}" first`,
        { metadata },
      );
    }
    if (unit.LoadState !== "loaded") {
      throw fluentdError(
        "UNIT_NOT_FOUND",
        `systemd knows no usable unit ${this.#options.unit} (${unit.LoadState || "not found"})`,
        { metadata },
      );
    }
    return unit;
  }

  async checkStart(options: WaitOptions): Promise<void> {
    await this.#known(options);
  }

  async start(options: WaitOptions): Promise<void> {
    const unit = await this.#known(options);
    // Else the start limit that it ran into would refuse this start as well.
    if (unit.ActiveState === "failed") await this.#systemctl.resetFailed(options);
    await this.#systemctl.start(options);
  }

  async stop(options: WaitOptions): Promise<void> {
    const seen = await this.observe(options);
    await this.#systemctl.stop(options);
    // A stop of an inactive unit does nothing for what the unit left behind.
    const left = ["inactive", "failed"].includes(seen.unit?.activeState ?? "");
    if (left && everyProcess(seen).length > 0) {
      await this.#systemctl.kill("all", "SIGTERM", options);
    }
  }

  signal(signal: "SIGUSR1" | "SIGUSR2", options: WaitOptions): Promise<void> {
    return this.#systemctl.kill("main", signal, options);
  }

  async kill(options: WaitOptions): Promise<boolean> {
    if (everyProcess(await this.observe(options)).length === 0) return false;
    await this.#systemctl.kill("all", "SIGKILL", options);
    return true;
  }

  async zeroDowntimeObstacle(options: WaitOptions): Promise<string | undefined> {
    const { Type, MainPID } = await this.#systemctl.show(options);
    if (REPLACEABLE_TYPES.has(Type)) {
      const launch = await this.launch(options);
      const { configPath } = readLaunch(launch);
      return quotingObstacle(launch) ?? await backupObstacle(Number(MainPID), configPath);
    }
    return `the unit's Type=${Type} ends the service together with the old supervisor; ` +
      `it needs Type=forking with a PIDFile`;
  }

  tend(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Between two of its lives a unit is inactive for a moment, while the job that starts it again waits.
 * Whoever looks then must not be told that it has been given up.
 */
function activeStateOf({ ActiveState, Job }: UnitProperties): string {
  const between = Job !== "" && (ActiveState === "inactive" || ActiveState === "failed");
  return between ? "activating" : ActiveState;
}

function exitOf(unit: UnitProperties): ExitStatus | undefined {
  const { ExecMainCode: how, ExecMainStatus: what, ExecMainExitTimestamp: at } = unit;
  if (how === "" || how === "0") return undefined;
  const timeMs = at.startsWith("@") ? Number(at.slice(1)) * 1000 : Date.parse(at);
  const time = { timeMs: Number.isNaN(timeMs) ? 0 : timeMs };
  return how === CLD_EXITED
    ? { code: Number(what), ...time }
    : { signal: SIGNAL_NAMES[Number(what)] ?? `signal ${what}`, ...time };
}
