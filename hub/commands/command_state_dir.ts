/**
 * Which hub of this machine a command means, if nobody names its state folder.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";
import { defaultStateDir } from "./serve_config.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Where the unit in `systemd/` keeps its state. */
export const SERVICE_STATE_DIR = "/var/lib/ghub";

/** How a command is told the folder of another process's hub. */
export const stateDirOption = {
  flag: "--state-dir",
  value: "FOLDER",
  defaultText: "as for serve; for root that of the service, if there is one",
  complete: "directory",
} as const;

/** The folder of the hub that runs as a service, for root; else the one that `ghub serve` would use. */
export function commandStateDir(env: Env): string | undefined {
  const isService = env["STATE_DIRECTORY"] === undefined && Deno.uid() === 0 &&
    isFolder(SERVICE_STATE_DIR);
  return isService ? SERVICE_STATE_DIR : defaultStateDir(env);
}

/** All folders in which a hub of this machine may keep its state, the likeliest first. */
export function commandStateDirs(env: Env): string[] {
  const folders = [commandStateDir(env), defaultStateDir(env)];
  return [...new Set(folders.filter((folder) => folder !== undefined))];
}

/**
 * The state folder of a hub that has been started before.
 *
 * @throws {UsageError} If there is none: what is written there would never be read.
 */
export function existingStateDir(given: string | undefined, env: Env): string {
  const stateDir = given ?? commandStateDir(env);
  if (stateDir !== undefined && isFolder(stateDir)) return stateDir;
  throw new UsageError(`No hub has kept its state in ${stateDir ?? "a folder of this user's"}`, {
    hint:
      "Start the hub once, run this as its user or as root, or name its folder with --state-dir",
  });
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
