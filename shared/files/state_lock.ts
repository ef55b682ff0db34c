/**
 * One process alone uses a state folder: two would write one audit and one set of keys over each other.
 *
 * @module
 */

/**
 * Locks a file, which is made if it is not there. The system gives the lock back when the process
 * ends, however it ends.
 *
 * @param what For the error: `state folder /var/lib/ghub`.
 * @returns To be disposed of when all is closed.
 * @throws {Error} If another process, or another part of this one, holds it.
 */
export async function lockState(path: string, what: string): Promise<Disposable> {
  const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
  if (await file.tryLock(true)) return file;
  file.close();
  throw new Error(
    `Cannot use ${what}: another process uses it; stop that one, or give each its own`,
  );
}
