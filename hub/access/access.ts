/**
 * Decides who is let in, what they may call, and ends what is no longer allowed.
 *
 *     call ─▶ authenticator ─▶ permissions ─▶ leaves the hub
 *                                  live: ends what has lost its credential or permission
 *
 * @module
 */
import type { Auth } from "../auth/identity.ts";
import { Authenticator, type AuthenticatorOptions } from "./authenticator.ts";
import { LiveAccess } from "./live_access.ts";
import { Permissions, type PermissionsOptions } from "./permissions.ts";

/** Who is let in, what it may see and call, and what becomes of it when that changes. */
export interface Access {
  readonly authenticator: Authenticator;
  readonly permissions: Permissions;
  readonly live: LiveAccess;
}

export interface AccessOptions extends AuthenticatorOptions, PermissionsOptions {
  readonly auth: Auth;
}

/** The three parts, which share one auth. When it changes, everything open is checked again. */
export function createAccess(options: AccessOptions): Access {
  const { auth } = options;
  const authenticator = new Authenticator(options);
  const permissions = new Permissions(options);
  const live = new LiveAccess({ auth, authenticator, permissions });
  auth.onChange(() => live.trustHasChanged());
  return { authenticator, permissions, live };
}
