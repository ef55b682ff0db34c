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
import { Polled } from "../async/polled.ts";
import { atOnce, inTurns, type Steps } from "../async/steps.ts";
import { FaultyFileError } from "./faulty_file_error.ts";
import { rulesFault } from "./modes.ts";
import { whyUnusable } from "./why_unusable.ts";

/** What is said of a broken file is cut to this. */
const MAX_COMPLAINT_LENGTH = 300;

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
   * Reads it, in small steps: others are served meanwhile.
   *
   * @throws {Error} That says what is wrong, and where.
   */
  readonly load: () => Steps<T>;
  /**
   * The fingerprint of what is on disk now; cheaper than to load it.
   *
   * @param current What is in force: it tells which other files to look at.
   * @throws {Error} If it cannot be read.
   */
  readonly fingerprint: (current: T) => string;
  /** Called when another content is in force. */
  readonly onChange: (loaded: T) => void;
  /** Called with one sentence when the file is broken, and again each minute for as long as it is. */
  readonly onBroken: (message: string) => void;
  /** @default POLL_MS */
  readonly pollMs?: number | undefined;
}

/** The content of a file as it stands on disk now; a broken new one is not applied. */
export class WatchedFile<T extends LoadedFile> implements Disposable {
  readonly #options: WatchedFileOptions<T>;
  readonly #polled: Polled;
  #loaded: T;
  readonly #complaint = new Complaint();
  #disposed = false;

  /** @throws {Error} If the file cannot be used from the start. */
  constructor(options: WatchedFileOptions<T>) {
    this.#options = options;
    this.#loaded = atOnce(options.load());
    this.#polled = new Polled(() => this.#load(), {
      pollMs: options.pollMs ?? POLL_MS,
      onFault: (error) => this.#complain(briefly(error)),
    });
  }

  /** What is in force. */
  get current(): T {
    return this.#loaded;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#polled[Symbol.dispose]();
  }

  /**
   * Looks now.
   *
   * @returns Whether another content is in force.
   * @throws {Error} If the file is broken; the content before it stays in force.
   */
  look(): Promise<boolean> {
    return this.#polled.look();
  }

  #complain(message: string): void {
    if (!this.#disposed && this.#complaint.isDue(message)) this.#options.onBroken(message);
  }

  async #load(): Promise<boolean> {
    const { load, fingerprint, onChange } = this.#options;
    if (fingerprint(this.#loaded) === this.#loaded.fingerprint) {
      this.#complaint.settle();
      return false;
    }
    const loaded = await inTurns(load());
    this.#complaint.settle();
    if (this.#disposed) return false;
    this.#loaded = loaded;
    onChange(loaded);
    return true;
  }
}

/** One sentence of a length that a log can bear; whoever wants all of it checks the file. */
export function briefly(error: Error): string {
  const { message, faults: [first, ...more] } = error instanceof FaultyFileError
    ? error
    : { message: error.message, faults: [] };
  const sentence = first ?? message;
  const cut = sentence.length > MAX_COMPLAINT_LENGTH
    ? `${sentence.slice(0, MAX_COMPLAINT_LENGTH)}…`
    : sentence;
  return more.length === 0 ? cut : `${cut} (the first of ${more.length + 1} faults)`;
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
export function parsedOnce<T>(parse: (text: string) => Steps<T>): (text: string) => Steps<T> {
  let last: { readonly text: string; readonly outcome: () => T } | undefined;
  return function* (text) {
    if (last?.text !== text) last = { text, outcome: yield* outcomeOf(parse(text)) };
    return last.outcome();
  };
}

function* outcomeOf<T>(steps: Steps<T>): Steps<() => T> {
  try {
    const value = yield* steps;
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
