/**
 * The service `fluentd.v1.Fluentd`: remote control of the Fluentd on this machine.
 *
 *     service ─▶ operations ─▶ rules ─▶ observer ─▶ manager: systemd | spawn ─▶ Fluentd
 *                one at a time          health, readiness, log, monitor, /proc
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import { delay } from "../../shared/async/delay.ts";
import type { Handlers } from "../../shared/grpc/handlers.ts";
import { fluentdError, reasonOf } from "./failures.ts";
import type { FluentdManager } from "./manager/manager.ts";
import type { WaitOptions } from "./system/run.ts";
import { SpawnManager } from "./manager/spawn.ts";
import { SystemdManager, type SystemdOptions } from "./manager/systemd.ts";
import type { Mask } from "./mask.ts";
import { Monitor } from "./observe/monitor.ts";
import { Observer } from "./observe/observer.ts";
import type { PluginSchemas } from "./plugin_schemas.ts";
import { isJournal, Operations } from "./operations.ts";
import { FluentdService } from "./service.ts";
import { configOrStarter } from "./manager/starter_config.ts";
import { StateFile } from "./system/state_file.ts";

const log = getLogger(["fluentd"]);

/** How often to look at Fluentd while nobody asks: sees rebirths and bounds the captured log. */
const TEND_MS = 5000;
/** The same while processes are young: those that die soon must not be missed between two looks. */
const TEND_YOUNG_MS = 500;
/** How often to see whether a plugin of the config is not known yet. */
const LEARN_MS = 1000;
/** Exists where systemd is the init system, see sd_booted(3). */
const SYSTEMD_BOOTED = "/run/systemd/system";

/** What is managed, and how. */
export interface FluentdOptions {
  /**
   * Who keeps Fluentd. `auto` is systemd where that runs and knows the unit, else spawn. Where none is
   * named, that is fluentd.service or td-agent.service, the one that runs first.
   *
   * @default FLUENTD.manager
   */
  readonly manager?: "auto" | "systemd" | "spawn";
  /**
   * The program and its arguments, for the spawn manager; without `-d`.
   *
   * @default FLUENTD.command
   */
  readonly command?: readonly string[];
  /** Given to it with `-c`; see manager/starter_config.ts for the default. Needed with systemd only where the unit's command does not tell. */
  readonly configPath?: string | undefined;
  /** @default FLUENTD.unit */
  readonly unit?: string;
  /** Journal, process record and captured log; made if missing, for the owner only. */
  readonly stateDir: string;
  /** host:port of `monitor_agent`. Without it, buffers are unknown and a hung pipeline is not seen. */
  readonly monitor?: string | undefined;
  /** Fluentd's log file, where neither its arguments nor its unit tell. */
  readonly logPath?: string | undefined;
  /** Learns what is secret, for others who write down what happens. */
  readonly mask?: Mask | undefined;
  /** What is known of the plugins, for several services of one fluentd. @default each asks for itself */
  readonly schemas?: PluginSchemas | undefined;
  /** How systemd is asked, such as `["sudo", "-n", "systemctl"]`. */
  readonly systemd?: Pick<SystemdOptions, "systemctl" | "busctl" | "journalctl" | "cgroupRoots">;
}

/** A Fluentd of which nothing was told. */
export const FLUENTD = {
  manager: "auto",
  command: ["fluentd"],
  unit: "fluentd.service",
} as const satisfies Partial<FluentdOptions>;

export interface FluentdHandle {
  /** For `ServiceHost.addService("fluentd.v1.Fluentd", …)`. */
  readonly implementation: Handlers;
  /** Leaves Fluentd alone. An operation that runs is interrupted, and remembered as that. */
  close(): Promise<void>;
}

/**
 * Opens the service.
 *
 * @throws {TypeError | SyntaxError} If an option cannot be right.
 * @throws {RpcError} If systemd was asked for and cannot be reached.
 * @throws {Error} If another process uses the state directory.
 */
export async function fluentdService(options: FluentdOptions): Promise<FluentdHandle> {
  const { stateDir, monitor: address } = options;
  const monitor = address === undefined ? undefined : new Monitor(address);
  await Deno.mkdir(stateDir, { recursive: true, mode: 0o700 });
  await using stack = new AsyncDisposableStack();
  stack.use(await lock(stateDir));
  const closing = new AbortController();
  const manager = stack.use(await openManager(options, closing));
  const operations = await Operations.open(
    new StateFile(join(stateDir, "operations.json"), isJournal),
  );
  stack.defer(() => operations.close());
  const observer = new Observer({
    manager,
    monitor,
    implicit: isImplicit(options),
    mask: options.mask,
    schemas: options.schemas,
  });
  const doing = [tend(observer, closing), learn(observer, closing)];
  stack.defer(async () => {
    closing.abort(fluentdError("SHUTTING_DOWN", "This gserver is shutting down"));
    await Promise.all(doing);
  });
  const { implementation } = new FluentdService(observer, operations);
  const owned = stack.move();
  return { implementation, close: () => owned.disposeAsync() };
}

/** Two processes that manage the same Fluentd would each believe the other's doing a fault. */
async function lock(stateDir: string): Promise<Disposable> {
  const file = await Deno.open(join(stateDir, "fluentd.lock"), {
    create: true,
    write: true,
    mode: 0o600,
  });
  if (await file.tryLock(true)) return file;
  file.close();
  throw new Error(
    `Cannot use state folder ${stateDir}: another gserver uses it; stop that one, or give each its own ` +
      "--state-dir",
  );
}

/** The units of Fluentd's packages: fluent-package 5 and 6, and td-agent before them. */
const UNITS = [FLUENTD.unit, "td-agent.service"];

/** Whether nothing says which Fluentd is meant; a default that is spelled out says nothing. */
function isImplicit(options: FluentdOptions): boolean {
  const { unit, configPath, command } = { ...FLUENTD, ...options };
  return unit === FLUENTD.unit && configPath === undefined &&
    command.join(" ") === FLUENTD.command.join(" ");
}

async function openManager(
  options: FluentdOptions,
  { signal }: WaitOptions,
): Promise<FluentdManager> {
  const { manager, command, unit } = { ...FLUENTD, ...options };
  const { configPath, stateDir, logPath, systemd: commands = {} } = options;
  const ofUnit = (unit: string) => new SystemdManager({ unit, configPath, logPath, ...commands });
  if (manager === "systemd") return ofUnit(unit);
  if (manager === "auto") {
    const units = unit === FLUENTD.unit ? UNITS : [unit];
    const kept = await keptBySystemd(units.map((unit) => ({ unit, manager: ofUnit(unit) })), {
      signal,
    });
    if (kept !== undefined) {
      log.info("Fluentd is kept by systemd as {unit}", { unit: kept.unit });
      return kept.manager;
    }
  }
  const config = await configOrStarter({ command, configPath, stateDir });
  return await SpawnManager.open({ command, configPath: config, stateDir, logPath });
}

/** The first one that runs, or else the first that systemd knows. */
async function keptBySystemd<M extends { readonly manager: SystemdManager }>(
  candidates: readonly M[],
  options: WaitOptions,
): Promise<M | undefined> {
  let known: M | undefined;
  try {
    await Deno.lstat(SYSTEMD_BOOTED);
    for (const candidate of candidates) {
      const standing = await candidate.manager.standing(options);
      if (standing === "active") return candidate;
      if (standing === "inactive") known ??= candidate;
    }
  } catch (error) {
    const unreachable = reasonOf(error) === "SYSTEMD_UNREACHABLE";
    if (!unreachable && !(error instanceof Deno.errors.NotFound)) throw error;
  }
  return known;
}

/** Looks from time to time until the signal. */
async function tend(observer: Observer, { signal }: WaitOptions): Promise<void> {
  let pauseMs = TEND_YOUNG_MS;
  while (!signal.aborted) {
    try {
      // An operation that waits looks often enough by itself.
      if (observer.idleMs >= pauseMs) {
        // Everything, so that what was once there is known when it is gone, and the log is read on.
        const { seen, nowMs } = await observer.look({ signal, thorough: false });
        pauseMs = observer.isUnsettled(seen, nowMs)
          ? Math.min(TEND_MS, observer.affordableMs(TEND_YOUNG_MS))
          : TEND_MS;
      }
      await observer.manager.tend({ signal });
    } catch (error) {
      if (!signal.aborted) log.warn("Cannot look at fluentd: {error}", { error });
    }
    await delay(pauseMs, { signal }).catch(() => {});
  }
}

/** Keeps what the plugins call secret known until the signal. */
async function learn(observer: Observer, { signal }: WaitOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      if (await observer.learn({ signal })) {
        log.debug("Fluentd's plugins have told which of their parameters are secret");
      }
    } catch (error) {
      if (!signal.aborted) log.warn("Cannot ask fluentd's plugins: {error}", { error });
    }
    await delay(LEARN_MS, { signal }).catch(() => {});
  }
}
