/**
 * Where a server keeps what must survive its restart.
 *
 *     $STATE_DIRECTORY (systemd)  >  root: /var/lib/gserver  >  $XDG_STATE_HOME/gserver
 *                                                            >  ~/.local/state/gserver
 *
 * Never in a folder of the hub's: systemd gives `/var/lib/ghub` to the hub's own user, with all that
 * is in it. Version 0.1.0 kept it there (`…/ghub/gserver`). Such a folder stays in use until somebody
 * moves it, because a Fluentd that runs was started with files in it.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/usage_error.ts";
import { openStateFolder } from "../../shared/files/state_folder.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A folder, and what is to be said about it. */
export interface StateDir {
  readonly path: string;
  readonly warning?: string;
}

export interface DefaultStateDirOptions {
  /** Whether there is such a folder, and it belongs to that user. */
  readonly isOwn?: (path: string, uid: number | null) => boolean;
}

/** @throws {UsageError} If there is no place. */
export function defaultStateDir(
  env: Env,
  uid: number | null,
  { isOwn = isOwnFolder }: DefaultStateDirOptions = {},
): StateDir {
  // systemd lists several, divided by colons.
  const [systemd = ""] = (env["STATE_DIRECTORY"] ?? "").split(":");
  if (systemd !== "") return { path: systemd };
  const base = stateHome(env, uid);
  const [path, old] = [`${base}/gserver`, `${base}/ghub/gserver`];
  if (isOwn(path, uid) || !isOwn(old, uid)) return { path };
  return {
    path: old,
    warning:
      `State is in ${old}, where version 0.1.0 kept it, and a hub's state may take it over. ` +
      `Stop Fluentd and gserver, move it to ${path}, and start them again`,
  };
}

function stateHome(env: Env, uid: number | null): string {
  if (uid === 0) return "/var/lib";
  const { XDG_STATE_HOME: state, HOME: home } = env;
  if (state) return state;
  if (home) return `${home}/.local/state`;
  throw new UsageError("No folder for state: neither HOME nor XDG_STATE_HOME is set", {
    hint: "Name one with --state-dir",
  });
}

function isOwnFolder(path: string, uid: number | null): boolean {
  try {
    const info = Deno.statSync(path);
    return info.isDirectory && info.uid === uid;
  } catch {
    return false; // A folder that cannot be looked at is as good as none.
  }
}

/**
 * Makes the folder, for its owner only.
 *
 * @throws {Error} If it cannot be made, or others may change it: no fault of the command line, so that
 *     whoever looks after this program starts it again.
 */
export function makeStateDir(path: string): void {
  try {
    openStateFolder(path);
  } catch (error) {
    throw new Error(`${(error as Error).message}; or name another one with --state-dir`, {
      cause: error,
    });
  }
}
