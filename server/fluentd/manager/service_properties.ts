/**
 * How systemd starts a service, word by word, over D-Bus.
 *
 * `systemctl show` joins arguments by blanks, so that one with a blank in it cannot be told from two;
 * `busctl` has each by itself. Where there is no busctl, or it gets no answer, what `systemctl` says
 * has to do. Everybody may ask, without any right.
 *
 * @module
 */
import { run, type WaitOptions } from "../system/run.ts";
import { parseShellWords, type UnitProperties } from "./systemctl.ts";

const BUSCTL_TIMEOUT_MS = 10_000;
const SYSTEMD = "org.freedesktop.systemd1";
const ROOT = "/org/freedesktop/systemd1";

/** A unit's settings that say what is started, in what environment, with what rights. */
export interface ServiceProperties {
  /** The program and its arguments, with variables that are not filled in yet. */
  readonly argv: readonly string[];
  /** The variables in `argv` are none (`ExecStart=:…`). */
  readonly verbatim: boolean;
  /** It keeps root's rights whatever `User=` says (`ExecStart=+…`, `ExecStart=!…`). */
  readonly privileged: boolean;
  /** What every service gets from systemd, such as PATH and LANG; absent where that is not told. */
  readonly managerEnv?: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly unsetEnv: readonly string[];
  readonly environmentFiles: readonly EnvironmentFile[];
  readonly user: string;
  readonly group: string;
  readonly supplementaryGroups: readonly string[];
  /** As in the unit: may begin with "-" or "!", or be "~". */
  readonly workingDirectory: string;
  /** Kind of folder (`RUNTIME`, `STATE`, …) → what systemd makes of it for the service. */
  readonly folders: Readonly<Record<string, readonly string[]>>;
}

/** A path or a pattern. */
export interface EnvironmentFile {
  readonly path: string;
  /** Without it the service starts all the same (`EnvironmentFile=-…`). */
  readonly optional: boolean;
}

/** Kinds of folders, by their property. */
const FOLDERS: Readonly<Record<string, string>> = {
  RuntimeDirectory: "RUNTIME",
  StateDirectory: "STATE",
  CacheDirectory: "CACHE",
  LogsDirectory: "LOGS",
  ConfigurationDirectory: "CONFIGURATION",
};

const PROPERTIES = [
  "Environment",
  "UnsetEnvironment",
  "EnvironmentFiles",
  "User",
  "Group",
  "SupplementaryGroups",
  "WorkingDirectory",
  ...Object.keys(FOLDERS),
];

/** One command of `ExecStart` (flag: ignores errors) or `ExecStartEx` (flags by name). */
type Command = [path: string, argv: string[], flags: boolean | string[], ...unknown[]];

/**
 * The settings over D-Bus.
 *
 * @param unit Its `Id`.
 * @returns `undefined` where nobody answers so.
 */
export async function readFromBus(
  busctl: readonly string[],
  unit: string,
  options: WaitOptions,
): Promise<ServiceProperties | undefined> {
  const path = `${ROOT}/unit/${escapePath(unit)}`;
  const ask = (path: string, interfaceName: string, names: readonly string[]) =>
    get(busctl, [SYSTEMD, path, `${SYSTEMD}.${interfaceName}`, ...names], options);
  // The one with the flags came with systemd 243.
  const values = await ask(path, "Service", ["ExecStartEx", ...PROPERTIES]) ??
    await ask(path, "Service", ["ExecStart", ...PROPERTIES]);
  if (values === undefined) return undefined;
  const [commands, ...rest] = values;
  const [command] = commands as Command[];
  if (command === undefined) return undefined;
  const [manager] = await ask(ROOT, "Manager", ["Environment"]) ?? [];
  const found = Object.fromEntries(PROPERTIES.map((name, i) => [name, rest[i]]));
  const [program, [, ...args], flags] = command;
  const has = (flag: string) => Array.isArray(flags) && flags.includes(flag);
  return {
    argv: [program, ...args],
    verbatim: has("no-env-expand"),
    privileged: has("privileged") || has("no-setuid"),
    ...(manager === undefined ? {} : { managerEnv: manager as string[] }),
    env: found.Environment as string[],
    unsetEnv: found.UnsetEnvironment as string[],
    environmentFiles: (found.EnvironmentFiles as [string, boolean][])
      .map(([path, optional]) => ({ path, optional })),
    user: found.User as string,
    group: found.Group as string,
    supplementaryGroups: found.SupplementaryGroups as string[],
    workingDirectory: found.WorkingDirectory as string,
    folders: Object.fromEntries(
      Object.entries(FOLDERS).map(([name, kind]) => [kind, found[name] as string[]]),
    ),
  };
}

/** One value for each property, in their order. */
async function get(
  busctl: readonly string[],
  args: readonly string[],
  { signal }: WaitOptions,
): Promise<unknown[] | undefined> {
  const argv = [...busctl, "--json=short", "--no-pager", "get-property", ...args];
  try {
    const { code, stdout } = await run(argv, { timeoutMs: BUSCTL_TIMEOUT_MS, signal });
    if (code !== 0) return undefined;
    return stdout.trimEnd().split("\n").map((line) => JSON.parse(line).data);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A name as part of an object path: whatever is no letter or digit is `_` and its code. */
function escapePath(name: string): string {
  return name.replace(
    /[^A-Za-z0-9]|^\d/g,
    (c) => `_${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** The same by `systemctl show`, as far as that tells. */
export function readFromShow(unit: UnitProperties): ServiceProperties {
  const [, program = "", joined = ""] = /path=(.*?) ; argv\[\]=(.*?) ; ignore_errors=/
    .exec(unit.ExecStart) ?? [];
  const [, ...args] = joined.split(" ").filter((word) => word !== "");
  return {
    argv: program === "" ? [] : [program, ...args],
    verbatim: false,
    privileged: false,
    env: parseShellWords(unit.Environment),
    unsetEnv: [],
    environmentFiles: [...unit.EnvironmentFiles.matchAll(/(\/\S+)(?: \(ignore_errors=(\w+)\))?/g)]
      .map(([, path = "", optional]) => ({ path, optional: optional === "yes" })),
    user: unit.User,
    group: "",
    supplementaryGroups: [],
    workingDirectory: "",
    folders: {},
  };
}
