/**
 * What systemd starts for a unit: exact arguments, and the environment, user and folder that they get.
 *
 *     systemd's own environment, USER and HOME of the service's user, Environment=, EnvironmentFile=
 *
 * A later one of these has the last word, and `UnsetEnvironment=` takes away. What differs at each
 * start (`INVOCATION_ID`, `JOURNAL_STREAM`) is left out.
 *
 * @module
 */
import { globSync } from "node:fs";
import { expandArguments, parseEnvironmentFile } from "../system/environment_file.ts";
import type { Launch } from "./launch.ts";
import type { WaitOptions } from "../system/run.ts";
import type { EnvironmentFile, ServiceProperties } from "./service_properties.ts";
import { accountOf, type UserAccount } from "../system/account.ts";

/** Where each kind of folder is. */
const FOLDER_ROOTS: Readonly<Record<string, string>> = {
  RUNTIME: "/run",
  STATE: "/var/lib",
  CACHE: "/var/cache",
  LOGS: "/var/log",
  CONFIGURATION: "/etc",
};
/** Bytes of an environment file; systemd takes no more either. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** How the unit's process is started. */
export async function launchOf(
  properties: ServiceProperties,
  options: WaitOptions,
): Promise<Launch> {
  const { argv, verbatim, privileged, user, group, supplementaryGroups } = properties;
  const named = privileged || user === "" ? undefined : user;
  const account = named === undefined ? undefined : await accountOf(named, options);
  const files = await readFiles(properties.environmentFiles);
  const env = {
    ...(properties.managerEnv === undefined ? inherited() : toEnv(properties.managerEnv)),
    ...(account === undefined ? {} : variablesOf(account)),
    ...foldersOf(properties),
    ...toEnv(properties.env),
    ...files.env,
  };
  for (const entry of properties.unsetEnv) {
    const [name = "", value] = entry.split(/=(.*)/s);
    if (value === undefined || env[name] === value) delete env[name];
  }
  const cwd = folderOf(properties.workingDirectory, account);
  return {
    argv: verbatim ? argv : expandArguments(argv, env),
    env,
    cleanEnv: true,
    user: named ?? "root",
    ...(privileged || group === "" ? {} : { group }),
    ...(privileged || supplementaryGroups.length === 0 ? {} : { groups: supplementaryGroups }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(files.unreadable.length === 0 ? {} : { unreadable: files.unreadable }),
  };
}

function toEnv(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(entries.map((entry) => {
    const at = entry.indexOf("=");
    return [entry.slice(0, at), entry.slice(at + 1)];
  }));
}

/** What systemd gives to all services by itself, as far as we have got it too. */
function inherited(): Record<string, string> {
  const names = ["PATH", "LANG"];
  return Object.fromEntries(
    names.map((name) => [name, Deno.env.get(name) ?? ""]).filter(([, value]) => value !== ""),
  );
}

/** Shells that let nobody in are none to systemd, and `/` is no home. */
const NO_SHELL = /\/(?:nologin|false|true)$/;

function variablesOf({ name, home, shell }: UserAccount): Record<string, string> {
  return {
    LOGNAME: name,
    USER: name,
    ...(/^\/./.test(home) ? { HOME: home } : {}),
    ...(shell === "" || NO_SHELL.test(shell) ? {} : { SHELL: shell }),
  };
}

function foldersOf({ folders }: ServiceProperties): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [kind, names] of Object.entries(folders)) {
    const paths = names.map((name) => `${FOLDER_ROOTS[kind]}/${name.split(":")[0]}`);
    if (paths.length > 0) env[`${kind}_DIRECTORY`] = paths.join(":");
  }
  return env;
}

/** systemd starts a service in `/`, unless told otherwise. */
function folderOf(setting: string, account: UserAccount | undefined): string | undefined {
  const path = setting.replace(/^[-!]+/, "");
  if (path === "") return "/";
  return path === "~" ? account?.home ?? "/root" : path;
}

/** A file that is missing, or optional and damaged, has no variables. */
async function readFiles(files: readonly EnvironmentFile[]) {
  const env: Record<string, string> = {};
  const unreadable: string[] = [];
  for (const path of files.flatMap(({ path }) => expandPattern(path))) {
    try {
      const { size } = await Deno.stat(path);
      if (size > MAX_FILE_BYTES) continue;
      Object.assign(env, parseEnvironmentFile(await Deno.readTextFile(path)));
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) unreadable.push(path);
    }
  }
  return { env, unreadable };
}

function expandPattern(path: string): string[] {
  return /[*?[]/.test(path) ? globSync(path).map(String).sort() : [path];
}
