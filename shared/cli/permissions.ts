/**
 * Gives back permissions that a program needs at its start, and never again.
 *
 * Only whole kinds can be given back: of "every file" Deno keeps every file when one is revoked. Not
 * `env`: libraries look for variables of theirs in the middle of their work, and fail.
 *
 * @module
 */

/** For the process as a whole, until its end. */
export function dropPermissions(...names: readonly Deno.PermissionName[]): void {
  for (const name of names) Deno.permissions.revokeSync({ name });
}
