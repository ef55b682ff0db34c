/**
 * The folder of all logins. This stands on the way of each call: all else is loaded by those who have
 * logged in.
 *
 * @module
 */
import type { Env } from "../../shared/cli/command.ts";

/** The folder of all logins; `undefined` if the environment names none. */
export function loginFolder(env: Env): string | undefined {
  const { XDG_STATE_HOME: state = "", HOME: home = "" } = env;
  // "All paths set in these environment variables must be absolute" (XDG base directories).
  if (state.startsWith("/")) return `${state}/gclient/logins`;
  return home === "" ? undefined : `${home}/.local/state/gclient/logins`;
}

/** Whether there may be a login at all: most users have none, and pay for nothing else. */
export function mayHaveLogins(env: Env): boolean {
  const folder = loginFolder(env);
  if (folder === undefined) return false;
  try {
    return Deno.statSync(folder).isDirectory;
  } catch {
    return false;
  }
}
