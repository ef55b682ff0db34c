/**
 * Built executables in the place of the sources: `--programs DIR` of the bench and of the soak.
 *
 * An inspector looks inside a self-extracting one, too: what that has unpacked is run as it runs it
 * itself, with one flag more.
 *
 * @module
 */
import { UsageError } from "../shared/cli/usage_error.ts";

/** Entry → name of its executable. */
const NAMES: Readonly<Record<string, string>> = {
  "hub/main.ts": "ghub",
  "server/main.ts": "gserver",
  "client/main.ts": "gclient",
};
/** The launcher is a script of some KB; what comes after it is not text. */
const MAX_LAUNCHER_BYTES = 32_768;
/** Its last command: the flags stand between the two paths. */
const EXEC = /^exec "\$_sx_dir\/\$_sx_program\/\$_sx_name" run (.*) "\$_sx_dir/m;
const PROGRAM = /^_sx_program='([\w.-]+)'/m;

/** How a program is started. */
export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Executables of a folder. Disposing of it removes what they unpacked. */
export class Executables implements AsyncDisposable {
  readonly dir: string;
  readonly #cache: string;

  private constructor(dir: string, cache: string) {
    this.dir = dir;
    this.#cache = cache;
  }

  /** @throws {UsageError} If one is not there. */
  static async of(dir: string): Promise<Executables> {
    for (const name of Object.values(NAMES)) {
      const isThere = await Deno.stat(`${dir}/${name}`).then((info) => info.isFile, () => false);
      if (!isThere) throw new UsageError(`There is no ${name} in ${dir}: deno task build makes it`);
    }
    const cache = await Deno.makeTempDir({ prefix: "ghub-bench-cache-" });
    return new Executables(await Deno.realPath(dir), cache);
  }

  /**
   * @param file A file of this repository.
   * @param inspect An address for its inspector.
   * @returns `undefined` if that file is no program of ours.
   */
  async commandLine(file: string, inspect?: string): Promise<CommandLine | undefined> {
    const name = NAMES[file];
    if (name === undefined) return undefined;
    const env = { XDG_CACHE_HOME: this.#cache };
    const command = `${this.dir}/${name}`;
    if (inspect === undefined) return { command, args: [], env };
    const launcher = await head(command);
    const [, flags] = EXEC.exec(launcher) ?? [];
    const [, program] = PROGRAM.exec(launcher) ?? [];
    if (flags === undefined || program === undefined) {
      throw new UsageError(
        `Cannot look inside ${command}: only self-extracting executables can be inspected; ` +
          "deno task build --self-extracting makes them",
      );
    }
    const { success } = await new Deno.Command(command, { args: ["--version"], env }).output();
    if (!success) throw new Error(`Cannot start ${command} --version`);
    const unpacked = `${this.#cache}/ghub-programs/${program}`;
    // A quiet Deno does not tell where its inspector listens.
    const own = flags.split(" ").filter((flag) => flag !== "--quiet");
    const args = ["run", `--inspect=${inspect}`, ...own, `${unpacked}/main.js`];
    return { command: `${unpacked}/${name}`, args, env };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#cache, { recursive: true });
  }
}

async function head(path: string): Promise<string> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(MAX_LAUNCHER_BYTES);
  const length = await file.read(bytes) ?? 0;
  return new TextDecoder("latin1").decode(bytes.subarray(0, length));
}
