/**
 * The folder of `--log-dir`: what each server gave, and which went well.
 *
 *     NAME.stdout  NAME.stderr          what was printed for this server; a "/" in NAME is a "%2F"
 *     hosts.succeeded  hosts.failed     names, one a line; --from-file takes them again
 *     hosts.untried                     only if there are any
 *
 * Answers may hold what is nobody else's business: its files are the user's alone.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

const MODE = 0o600;
const DIR_MODE = 0o700;

export interface Sorted {
  readonly succeeded: readonly string[];
  readonly failed: readonly string[];
  readonly untried: readonly string[];
}

export class LogDir {
  readonly #dir: string;

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
    for (const stream of ["stdout", "stderr"] as const) {
      await Deno.writeTextFile(this.#path(name, stream), "", { mode: MODE });
    }
  }

  async add(name: string, stream: "stdout" | "stderr", text: string): Promise<void> {
    await Deno.writeTextFile(this.#path(name, stream), text, { append: true });
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
      await Deno.writeTextFile(path, text, { mode: MODE });
    }
  }

  #path(name: string, stream: string): string {
    return `${this.#dir}/${name.replaceAll("/", "%2F")}.${stream}`;
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
