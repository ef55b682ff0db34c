/**
 * Chooses what decides: the auth file if there is one, else the hub's own tokens; and in both cases
 * enrolled servers, which have tokens of their own.
 *
 * @module
 */
import type { Auth } from "./identity.ts";
import { EnrolledAuth } from "./enrolled_auth.ts";
import { type JointFolder, openHubTokens } from "./hub_tokens.ts";
import { WatchedAuth } from "./watched_auth.ts";

export interface AuthOptions {
  /** Who may get in, as a file; it is watched. */
  readonly authFile?: string | undefined;
  /** Folder of enrolled servers, and of the hub's own tokens for as long as there is no file. */
  readonly stateDir?: string | undefined;
  /** Who comes from loopback is on this machine: loopback_trust.ts. @default true */
  readonly trustLoopback?: boolean;
  /** By whose credential a name was registered last. @default nobody's */
  readonly ownerOf?: (name: string) => string | undefined;
  /** Other workers of this process that use the folder as well. @default it is alone */
  readonly joint?: JointFolder | undefined;
}

/** @throws {Error} If the file cannot be used, or the tokens cannot be made or are not safe. */
export function openAuth(options: AuthOptions): Auth {
  const { authFile, stateDir, trustLoopback = true, ownerOf, joint } = options;
  const auth = authFile === undefined
    ? openHubTokens(stateDir, { trustLoopback, joint })
    : new WatchedAuth(authFile, { trustLoopback });
  return stateDir === undefined
    ? auth
    : new EnrolledAuth(auth, stateDir, { ownerOf, isJoint: joint !== undefined });
}
