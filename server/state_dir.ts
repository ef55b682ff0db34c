/**
 * Where a server keeps what must survive its restart.
 *
 *     $STATE_DIRECTORY (systemd)  >  root: /var/lib/ghub/gserver  >  $XDG_STATE_HOME/ghub/gserver
 *                                                                 >  ~/.local/state/ghub/gserver
 *
 * @module
 */
import { UsageError } from "../shared/cli/usage_error.ts";
import { openStateFolder } from "../shared/files/state_folder.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** @throws {UsageError} If there is no place. */
export function defaultStateDir(env: Env, uid: number | null): string {
  // systemd lists several, divided by colons.
  const [systemd = ""] = (env["STATE_DIRECTORY"] ?? "").split(":");
  if (systemd !== "") return systemd;
  if (uid === 0) return "/var/lib/ghub/gserver";
  const { XDG_STATE_HOME: state, HOME: home } = env;
  if (state) return `${state}/ghub/gserver`;
  if (home) return `${home}/.local/state/ghub/gserver`;
  throw new UsageError("No folder for state: neither HOME nor XDG_STATE_HOME is set", {
    hint: "Name one with --state-dir",
  });
}

/**
 * Makes the folder, for its owner only.
 *
 * @throws {UsageError} If it cannot be made, or others may change it.
 */
export function makeStateDir(path: string): void {
  try {
    openStateFolder(path);
  } catch (error) {
    throw new UsageError((error as Error).message, {
      cause: error,
      hint: "Name another one with --state-dir",
    });
  }
}
