/**
 * One process alone uses a state folder: two would write one audit and one set of keys over each other.
 *
 * @module
 */
import { whyUnusable } from "./why_unusable.ts";

/**
 * Locks a file, which is made if it is not there. The system gives the lock back when the process
 * ends, however it ends.
 *
 * @param what For the error: `state folder /var/lib/ghub`.
 * @param flag With which the user names another one: `--state-dir`.
 * @returns To be disposed of when all is closed.
 * @throws {Error} If another process, or another part of this one, holds it, or it cannot be opened.
 */
export async function lockState(
  path: string,
  { what, flag }: { readonly what: string; readonly flag: string },
): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
  } catch (cause) {
    throw new Error(`Cannot use ${what}: ${whyUnusable(cause)}`, { cause });
  }
  if (await file.tryLock(true)) return file;
  file.close();
  throw new Error(
    `Cannot use ${what}: another process uses it; stop that one, or give each its own ${flag}`,
  );
}

/**
 * Whether somebody holds the lock of a file. Nothing is made or changed: a lock that all may share is
 * asked for and given back.
 *
 * @throws {Error} If the file is there and cannot be read.
 */
export async function isLocked(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path);
    return !await file.tryLock(false);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw new Error(`Cannot look at the lock ${path}: ${whyUnusable(cause)}`, { cause });
  }
}
