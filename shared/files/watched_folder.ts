/**
 * Notices that something was put into a folder, replaced there by a rename, or taken out. It asks for
 * the folder's own time, once a second, and not for each of the thousands of files that may be in it.
 *
 * @module
 */

/** How often the folder is asked. */
const POLL_MS = 1_000;
/** Looks after a change: another one may come within the same tick of the file system's clock. */
const LOOKS_AFTER = 2;

export interface WatchedFolderOptions {
  /** Called when its files are to be read again. May throw nothing. */
  readonly onChange: () => void;
  /** @default POLL_MS */
  readonly pollMs?: number | undefined;
}

/**
 * Tells when an entry of a folder is added, replaced or removed, once a second. A folder that is
 * not there is one without files.
 */
export class WatchedFolder implements Disposable {
  readonly #path: string;
  readonly #timer: ReturnType<typeof setInterval>;
  #seen: string;
  #left = LOOKS_AFTER;

  constructor(path: string, { onChange, pollMs = POLL_MS }: WatchedFolderOptions) {
    this.#path = path;
    this.#seen = timeOf(path);
    this.#timer = setInterval(() => {
      if (this.#isDue()) onChange();
    }, pollMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #isDue(): boolean {
    const now = timeOf(this.#path);
    if (now !== this.#seen) this.#left = LOOKS_AFTER + 1;
    this.#seen = now;
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}

function timeOf(path: string): string {
  try {
    const { ino, mtime } = Deno.statSync(path);
    return `${ino} ${mtime?.getTime()}`;
  } catch {
    return "";
  }
}
