/**
 * The folder of `--log-dir`: what each server gave, and which went well.
 *
 *     NAME.stdout  NAME.stderr          what was printed for this server; a "/" in NAME is a "%2F"
 *     hosts.succeeded  hosts.failed     names, one a line; --from-file takes them again
 *     hosts.untried                     only if there are any
 *
 * Answers may hold what is nobody else's business: its files are the user's alone. Each run makes them
 * new, so that a symbolic link that lies there under such a name is replaced, and leads nowhere.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";
import { replaceFile } from "../../shared/files/replace_file.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

type Stream = "stdout" | "stderr";

const MODE = 0o600;
const DIR_MODE = 0o700;

export interface Sorted {
  readonly succeeded: readonly string[];
  readonly failed: readonly string[];
  readonly untried: readonly string[];
}

/** When disposed, it has no file open. */
export class LogDir implements Disposable {
  readonly #dir: string;
  /** The files of servers that are called now. */
  readonly #open = new Map<string, Readonly<Record<Stream, Deno.FsFile>>>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** @throws {UsageError} If nothing can be written there: before anybody is called. */
  static async open(dir: string): Promise<LogDir> {
    const log = new LogDir(dir);
    try {
      await Deno.mkdir(dir, { recursive: true, mode: DIR_MODE });
      await log.sort({ succeeded: [], failed: [], untried: [] });
    } catch (error) {
      throw new UsageError(`Cannot write into --log-dir "${dir}": ${whyUnusable(error)}`, {
        cause: error,
      });
    }
    return log;
  }

  /** Makes both files of a server, empty. */
  async begin(name: string): Promise<void> {
    const stdout = await this.#make(name, "stdout");
    try {
      this.#open.set(name, { stdout, stderr: await this.#make(name, "stderr") });
    } catch (error) {
      stdout.close();
      throw error;
    }
  }

  /** Between `begin` and `end`. */
  async add(name: string, stream: Stream, text: string): Promise<void> {
    const file = this.#open.get(name)![stream];
    for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
      rest = rest.subarray(await file.write(rest));
    }
  }

  /** Nothing follows from this server. */
  end(name: string): void {
    for (const file of Object.values(this.#open.get(name) ?? {})) file.close();
    this.#open.delete(name);
  }

  /** Writes which servers went well. */
  async sort(sorted: Sorted): Promise<void> {
    for (const [kind, names] of Object.entries(sorted)) {
      const path = `${this.#dir}/hosts.${kind}`;
      if (kind === "untried" && names.length === 0) {
        await Deno.remove(path).catch(ignoreMissing);
        continue;
      }
      const text = names.map((name: string) => `${name}\n`).join("");
      replaceFile(path, text, { mode: MODE });
    }
  }

  [Symbol.dispose](): void {
    for (const name of [...this.#open.keys()]) this.end(name);
  }

  async #make(name: string, stream: Stream): Promise<Deno.FsFile> {
    const path = `${this.#dir}/${name.replaceAll("/", "%2F")}.${stream}`;
    await Deno.remove(path).catch(ignoreMissing);
    return await Deno.open(path, { write: true, createNew: true, mode: MODE });
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
