/**
 * A file as it stands on disk now. It is looked at every second, and as a whole: by its content and
 * that of the files that it names, since tools that replace files keep no promise about their times.
 *
 *     unchanged ─▶ –        changed, good ─▶ in force at once        changed, broken ─▶ a complaint,
 *                                                                     the old one stays
 *
 * @module
 */
import { Complaint } from "../async/complaint.ts";
import { rulesFault } from "./modes.ts";
import { whyUnusable } from "./why_unusable.ts";

/** How often the file is looked at. */
export const POLL_MS = 1_000;

/** A file that was read, and what its content was. */
export interface LoadedFile {
  /** Changes with the content of the file, or of one that it names. */
  readonly fingerprint: string;
}

/** Options of {@linkcode WatchedFile}. */
export interface WatchedFileOptions<T extends LoadedFile> {
  /**
   * Reads it.
   *
   * @throws {Error} That says what is wrong, and where.
   */
  readonly load: () => T;
  /**
   * The fingerprint of what is on disk now; cheaper than to load it.
   *
   * @param current What is in force: it tells which other files to look at.
   * @throws {Error} If it cannot be read.
   */
  readonly fingerprint: (current: T) => string;
  /** Called when another content is in force. */
  readonly onChange: (loaded: T) => void;
  /** Called when the file is broken, and again each minute for as long as it is. */
  readonly onBroken: (message: string) => void;
  /** @default POLL_MS */
  readonly pollMs?: number | undefined;
}

/** See the module's head. */
export class WatchedFile<T extends LoadedFile> implements Disposable {
  readonly #options: WatchedFileOptions<T>;
  readonly #timer: ReturnType<typeof setInterval>;
  #loaded: T;
  readonly #complaint = new Complaint();

  /** @throws {Error} If the file cannot be used from the start. */
  constructor(options: WatchedFileOptions<T>) {
    this.#options = options;
    this.#loaded = options.load();
    this.#timer = setInterval(() => this.#poll(), options.pollMs ?? POLL_MS);
  }

  /** What is in force. */
  get current(): T {
    return this.#loaded;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /**
   * Looks now.
   *
   * @returns Whether another content is in force.
   * @throws {Error} If the file is broken; the content before it stays in force.
   */
  look(): boolean {
    const changed = this.#load();
    if (changed) this.#options.onChange(this.#loaded);
    return changed;
  }

  #poll(): void {
    let changed = false;
    try {
      changed = this.#load();
    } catch (error) {
      const { message } = error as Error;
      if (this.#complaint.isDue(message)) this.#options.onBroken(message);
    }
    if (changed) this.#options.onChange(this.#loaded);
  }

  #load(): boolean {
    const { load, fingerprint } = this.#options;
    const changed = fingerprint(this.#loaded) !== this.#loaded.fingerprint;
    if (changed) this.#loaded = load();
    this.#complaint.settle();
    return changed;
  }
}

/**
 * The text of a file that says who may do what: nobody but this user and root may be able to change it.
 *
 * @param what What it is, for messages: `auth file`.
 * @throws {Error} That says why it cannot be read.
 */
export function readRulesFile(
  path: string,
  { what, maxBytes }: { readonly what: string; readonly maxBytes: number },
): string {
  try {
    const info = Deno.statSync(path);
    if (info.size > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`);
    const fault = rulesFault(info, path);
    if (fault !== undefined) throw new Error(fault);
    return Deno.readTextFileSync(path);
  } catch (cause) {
    throw new Error(`Cannot read ${what} ${path}: ${whyUnusable(cause)}`, { cause });
  }
}

/**
 * Remembers the last outcome of `parse`, good or bad: a file that is broken is looked at each second,
 * and must not be parsed each time.
 *
 * @param parse Gives the same for the same text.
 */
export function parsedOnce<T>(parse: (text: string) => T): (text: string) => T {
  let last: { readonly text: string; readonly outcome: () => T } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, outcome: outcomeOf(() => parse(text)) };
    return last.outcome();
  };
}

function outcomeOf<T>(act: () => T): () => T {
  try {
    const value = act();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
