/**
 * Why a file cannot be used, in words for the user who named it. Deno's own words name system calls and error
 * numbers, and ask for a flag (`--allow-all`) that our programs do not have.
 *
 * @module
 */

/** @param error What Deno threw for a file, or an `Error` of our own, whose message stays as it is. */
export function whyUnusable(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.NotADirectory) return "a part of its path is not a directory";
  if (error instanceof Deno.errors.NotCapable) {
    return "this program may not use it; name an ordinary file outside of /dev, /proc and /sys";
  }
  const message = error instanceof Error ? error.message : String(error);
  return message.split(/ \(os error \d{1,5}\)/, 1)[0]!;
}
