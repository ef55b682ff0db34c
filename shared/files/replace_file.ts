/**
 * Writes a file in one step: whoever reads it sees the old one or the new one, also after a power
 * failure.
 *
 * @module
 */

/** Options of {@linkcode replaceFile}. */
export interface ReplaceFileOptions {
  /** @default 0o600 */
  readonly mode?: number;
}

/** @throws {Error} If it cannot be written; the old one is still there then. */
export function replaceFile(
  path: string,
  text: string,
  { mode = 0o600 }: ReplaceFileOptions = {},
): void {
  // A name that nobody reads: it neither ends as the file does nor is it visible.
  const slash = path.lastIndexOf("/") + 1;
  const draft = `${path.slice(0, slash)}.${path.slice(slash)}.${crypto.randomUUID()}`;
  try {
    {
      using file = Deno.openSync(draft, { write: true, createNew: true, mode });
      const bytes = new TextEncoder().encode(text);
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(file.writeSync(rest));
      file.syncSync();
    }
    Deno.chmodSync(draft, mode); // Whatever the umask is.
    Deno.renameSync(draft, path);
  } catch (error) {
    try {
      Deno.removeSync(draft);
    } catch {
      // It was not made.
    }
    throw error;
  }
}
