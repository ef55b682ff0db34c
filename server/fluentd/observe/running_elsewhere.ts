/**
 * A Fluentd of this machine that is not the managed one, though most likely it is meant: kept by another
 * unit, or started by hand. A second one next to it would read the same files with the same positions, and
 * take its ports.
 *
 * One counts if it has our config, whoever keeps it. Where nobody told gserver which Fluentd to manage, one
 * counts too that a unit keeps or that has its config in a usual place. Others are somebody's own business:
 * several on a machine are legal.
 *
 * @module
 */
import { basename, resolve } from "node:path";
import { fluentdError } from "../failures.ts";
import { DEFAULT_CONFIG_PATH, readLaunch } from "../manager/launch.ts";
import { isWorker } from "../manager/manager.ts";
import { type ProcessInfo, readEnv, readProcesses, recentStats } from "../system/proc.ts";

/** One that runs and is not ours. */
export interface Elsewhere {
  readonly pid: number;
  /** The unit of systemd that keeps it, if one does. */
  readonly unit?: string;
  /** `unknown`, where a title took the place of its arguments. */
  readonly configPath: string;
}

export interface ElsewhereOptions {
  /** All that is ours. */
  readonly own: ReadonlySet<number>;
  /** Of the managed one. */
  readonly configPath: string;
  /** Nobody told which Fluentd to manage: neither unit nor config nor command. */
  readonly implicit: boolean;
}

/** Where packages and people keep their config. */
const USUAL_PLACES = ["/etc/fluent/", "/etc/td-agent/", "/etc/fluentd/"];
/** They end at once. */
const SHORT_RUNS = new Set(["--dry-run", "--version", "-h", "--help"]);
/** Programs that are looked at closely. A title does not change by which file it was started. */
const PROGRAMS = /^(?:ruby|fluentd|td-agent)/;
/** The list of the same look may be used. */
const MAX_AGE_MS = 200;
/** What one answer names. */
const MAX_NAMED = 3;

/** Those that count, oldest first. */
export async function findElsewhere(options: ElsewhereOptions): Promise<Elsewhere[]> {
  const { own, configPath, implicit } = options;
  const likely = (await recentStats(MAX_AGE_MS)).filter(({ pid, comm }) =>
    !own.has(pid) && PROGRAMS.test(comm)
  );
  const supervisors = (await readProcesses(likely.map(({ pid }) => pid))).filter(isSupervisor)
    .toSorted((a, b) => a.startTicks - b.startTicks);
  const ours = await realPath(configPath);
  const found: Elsewhere[] = [];
  for (const process of supervisors) {
    if (await isInContainer(process.pid)) continue;
    const config = await configOf(process);
    const unit = await unitOf(process.pid);
    const usual = USUAL_PLACES.some((place) => config?.startsWith(place));
    if (config === ours || implicit && (unit !== undefined || usual)) {
      const configPath = config ?? "unknown";
      found.push({ pid: process.pid, configPath, ...(unit === undefined ? {} : { unit }) });
    }
  }
  return found;
}

/** Whether it is a Fluentd itself, by its program, or by the script that Ruby runs. */
function isSupervisor(process: ProcessInfo): boolean {
  const { argv } = process;
  const [program = "", ...args] = argv;
  if (isWorker(process) || args.some((arg) => SHORT_RUNS.has(arg))) return false;
  if (hasTitle(argv)) return true;
  const script = /^ruby/.test(basename(program))
    ? args.find((arg) => !arg.startsWith("-"))
    : program;
  return /^(?:fluentd|td-agent)$/.test(basename(script ?? ""));
}

function hasTitle([program = ""]: readonly string[]): boolean {
  return program.startsWith("supervisor:");
}

/** `undefined` if it is not known: `<system> process_name` puts a title in the place of the arguments. */
async function configOf({ pid, argv }: ProcessInfo): Promise<string | undefined> {
  const named = readLaunch({ argv }).configPath ?? await readEnv(pid, "FLUENT_CONF") ?? undefined;
  const own = named ?? (hasTitle(argv) ? undefined : DEFAULT_CONFIG_PATH);
  if (own === undefined) return undefined;
  let cwd = "/";
  try {
    cwd = await Deno.readLink(`/proc/${pid}/cwd`);
  } catch {
    // Another user's: paths of units and packages are absolute.
  }
  return await realPath(resolve(cwd, own));
}

async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch {
    return resolve(path);
  }
}

/** More than one PID in `NSpid` (proc(5)): a PID namespace within ours has a number of its own for it. */
const NESTED = /^NSpid:\s\d+\s\d/m;

/** Whether a PID namespace within ours has it, as containers do. Units have none. */
async function isInContainer(pid: number): Promise<boolean> {
  try {
    return NESTED.test(await Deno.readTextFile(`/proc/${pid}/status`));
  } catch {
    // It has ended.
    return false;
  }
}

/** The service of systemd whose control group it is in. */
async function unitOf(pid: number): Promise<string | undefined> {
  try {
    const text = await Deno.readTextFile(`/proc/${pid}/cgroup`);
    // systemd may keep its groups in either hierarchy, and the other one then says "/" (cgroups(7)).
    const groups = text.split("\n").filter((line) => /^(?:0:|\d{1,5}:name=systemd:)/.test(line))
      .map((line) => line.split(":").slice(2).join(":"));
    const group = groups.find((path) => path.endsWith(".service"));
    return group && basename(group);
  } catch {
    // It has ended.
    return undefined;
  }
}

/** What they are, for a person. */
export function describeElsewhere(found: readonly Elsewhere[]): string {
  const list = found.slice(0, MAX_NAMED).map(({ pid, unit, configPath }) =>
    `process ${pid}, ${unit === undefined ? "of no unit" : `unit ${unit}`}, config ${configPath}`
  );
  const more = found.length - list.length;
  return list.join("; ") + (more > 0 ? `; and ${more} more` : "");
}

/** What to do about them. */
export function adviseElsewhere([first]: readonly Elsewhere[]): string {
  if (first?.unit !== undefined) {
    return `To manage that one, start gserver with --fluentd-unit ${first.unit}`;
  }
  return `Stop it first (kill -TERM ${first?.pid}), or let gserver manage another one with ` +
    "--fluentd-config FILE";
}

/** @throws {RpcError} `RUNNING_ELSEWHERE`, if there is one. */
export function mustRunNowhereElse(found: readonly Elsewhere[]): void {
  const [first] = found;
  if (first === undefined) return;
  const { pid, unit, configPath } = first;
  throw fluentdError(
    "RUNNING_ELSEWHERE",
    `Nothing was started, because Fluentd runs elsewhere: ${describeElsewhere(found)}. ` +
      adviseElsewhere(found),
    { metadata: { pid: String(pid), config: configPath, ...(unit === undefined ? {} : { unit }) } },
  );
}
