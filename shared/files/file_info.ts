/**
 * What the system says of a file that may not be there.
 *
 * @module
 */
import { whyUnusable } from "./why_unusable.ts";

/**
 * A file or folder; a symbolic link is followed.
 *
 * @returns `undefined` if it is not there.
 * @throws {Error} If that cannot be found out.
 */
export function statOf(path: string): Deno.FileInfo | undefined {
  return infoBy(Deno.statSync, path);
}

/**
 * The same, but of a symbolic link itself: one that leads nowhere is there.
 *
 * @throws {Error} If that cannot be found out.
 */
export function lstatOf(path: string): Deno.FileInfo | undefined {
  return infoBy(Deno.lstatSync, path);
}

function infoBy(
  look: (path: string) => Deno.FileInfo,
  path: string,
): Deno.FileInfo | undefined {
  try {
    return look(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Error(`Cannot look at ${path}: ${whyUnusable(error)}`, { cause: error });
  }
}
