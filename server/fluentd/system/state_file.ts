/**
 * A small JSON file that is either the old one or the new one, whenever the power fails:
 * written next to it, synced, renamed, and the directory synced. Only the owner can read it.
 *
 * @module
 */
import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";

const log = getLogger(["fluentd", "state"]);

/** Files beyond this are not ours: the greatest answers of all operations, with full log tails, fit. */
const MAX_STATE_BYTES = 16 * 1024 * 1024;

/** One JSON file. Writes are carried out in order, one at a time. */
export class StateFile<T> {
  readonly path: string;
  readonly #isValid: (value: unknown) => value is T;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string, isValid: (value: unknown) => value is T) {
    this.path = path;
    this.#isValid = isValid;
  }

  /** What was written last; `undefined` if nothing was, or if it is damaged: then it is kept aside. */
  async read(): Promise<T | undefined> {
    let text: string;
    try {
      const { size } = await Deno.stat(this.path);
      text = size > MAX_STATE_BYTES ? "" : await Deno.readTextFile(this.path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    try {
      const value: unknown = JSON.parse(text);
      if (this.#isValid(value)) return value;
    } catch {
      // Handled as the invalid value that it is.
    }
    log.warn("State file {path} is damaged; it is kept as {path}.damaged and a new one begun", {
      path: this.path,
    });
    await Deno.rename(this.path, `${this.path}.damaged`);
    return undefined;
  }

  /** Resolves when the value would survive a power failure. */
  write(value: T): Promise<void> {
    const text = JSON.stringify(value, null, 1);
    const written = this.#last.then(() => replace(this.path, text));
    this.#last = written.catch(() => {});
    return written;
  }

  /** Resolves when no write is under way. */
  flush(): Promise<void> {
    return this.#last;
  }
}

async function replace(path: string, text: string): Promise<void> {
  const beside = `${path}.new`;
  {
    using file = await Deno.open(beside, {
      write: true,
      create: true,
      truncate: true,
      mode: 0o600,
    });
    await writeAll(file, new TextEncoder().encode(text));
    await file.sync();
  }
  await Deno.rename(beside, path);
  using directory = await Deno.open(dirname(path));
  await directory.sync();
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}
