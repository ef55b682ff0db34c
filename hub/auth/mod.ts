/**
 * Chooses who decides: the auth file if there is one, else the hub's own two tokens.
 *
 * @module
 */
import type { Auth } from "../auth.ts";
import { openHubTokens } from "./hub_tokens.ts";
import { WatchedAuth } from "./watched_auth.ts";

export interface AuthOptions {
  /** Who may get in, as a file; it is watched. */
  readonly authFile?: string | undefined;
  /** Folder of the hub's own tokens, for as long as there is no file. */
  readonly stateDir?: string | undefined;
}

/** @throws {Error} If the file cannot be used, or the tokens cannot be made or are not safe. */
export function openAuth({ authFile, stateDir }: AuthOptions): Auth {
  return authFile === undefined ? openHubTokens(stateDir) : new WatchedAuth(authFile);
}
