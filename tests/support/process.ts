/**
 * A program as a subprocess of a test: its output, its signals, its end.
 *
 * @module
 */
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleOf } from "../../scripts/run_tests/bundle_of.ts";
import { PATIENCE_MS, until, within } from "./until.ts";

/** The folder of `deno.json`. */
export const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
/** So much of the end of each output is kept, to show when something went wrong. */
export const MAX_KEPT_CHARS = 1024 * 1024;
/** And so many lines of stdout that nobody asked for. */
const MAX_LINES = 1000;
/** Between SIGTERM and SIGKILL when a test disposes of a process. */
const GRACE_MS = 10_000;

/** Signals after which the end of a process is no surprise. */
const ENDING: ReadonlySet<Deno.Signal> = new Set(["SIGTERM", "SIGINT", "SIGKILL"]);

export interface ProcessOptions {
  /** Set beside the environment of {@linkcode cleanEnv}. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface RunOptions extends ProcessOptions {
  /** What it reads. @default nothing: its standard input is /dev/null */
  readonly stdin?: string;
}

/** What a program did that ran to its end. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a process ended. */
export interface Exit {
  readonly code: number;
  readonly signal: Deno.Signal | null;
}

let denoDir: string | undefined;

/** Where Deno keeps what it has downloaded: with a HOME of its own, a program would begin anew. */
function cacheDir(): string {
  denoDir ??= JSON.parse(
    new TextDecoder().decode(
      new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync().stdout,
    ),
  ).denoDir as string;
  return denoDir;
}

/**
 * What the machine is made of; nothing that would steer our programs, send them to a proxy, or make
 * them trust an authority that they would not trust at a user's.
 */
const KEPT =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TERM|TMPDIR|LD_LIBRARY_PATH)$|^(GEM|RUBY|RBENV|BUNDLE|PYENV)_?\w*$/;
/** By these the tools of a developer's machine reach a registry behind a private authority. */
const TOOLS =
  /^(DENO_TLS_CA_STORE|DENO_CERT|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|NPM_CONFIG_\w+|(HTTPS?|ALL|NO)_PROXY)$/i;

/**
 * As the executables set it. A Deno that asks for its newest version has decided whom it trusts before a
 * program of ours could say it, where that takes longer than half a second to load.
 */
const AS_BUILT = { DENO_NO_UPDATE_CHECK: "1" };

function environment(...kept: RegExp[]): Record<string, string> {
  const all = Object.entries(Deno.env.toObject());
  const entries = all.filter(([name]) =>
    kept.some((pattern) => pattern.test(name)) ||
    // Where executables unpack: not again in the HOME of each test.
    (PROGRAMS !== undefined && name === "XDG_CACHE_HOME")
  );
  return { ...Object.fromEntries(entries), ...AS_BUILT, DENO_DIR: cacheDir(), NO_COLOR: "1" };
}

/**
 * gclient waits nearly as long as a test does for it. By itself it gives ten seconds to most calls, and
 * five of them to connecting: a busy machine needs more.
 */
export const PATIENT_CLIENT = { GCLIENT_TIMEOUT: "220s", GCLIENT_CONNECT_TIMEOUT: "100s" };

/** An environment for our programs: where to find things, and nothing else of this test's own. */
export function cleanEnv(): Record<string, string> {
  return {
    ...environment(KEPT),
    ...PATIENT_CLIENT,
    ...(WORKERS !== undefined && { GHUB_WORKERS: WORKERS }),
  };
}

/** An environment for tools that may have to download something, such as `deno bundle`. */
export function toolEnv(): Record<string, string> {
  return environment(KEPT, TOOLS);
}

/** A folder of executables that take the place of the sources: `deno task test:system --programs`. */
const PROGRAMS = Deno.env.get("GHUB_PROGRAMS");
/**
 * In how many threads each hub runs that a test starts as a process: `deno task test:system --workers`.
 * A test for which that makes no sense says so, and gives `--workers 1`.
 */
export const WORKERS: string | undefined = Deno.env.get("GHUB_TEST_WORKERS");
/** For a line that each worker of a hub writes, as soon as it has done the same for itself. */
export function fromEachWorker({ source }: RegExp): RegExp {
  return new RegExp(`(?:[^]*?${source}){${WORKERS ?? 1}}`);
}
/** Flags of a hub with `--cluster`: that cannot go together with workers, which are a cluster already. */
export const ONE_WORKER: readonly string[] = ["--workers", "1"];
const EXECUTABLES: Readonly<Record<string, string>> = {
  "hub/main.ts": "ghub",
  "server/main.ts": "gserver",
  "client/main.ts": "gclient",
};

/**
 * How a file of this repository is run: arguments for Deno, which may name the bundle of a program, or
 * one of our executables where those are what is tested. {@linkcode Process.deno} and {@linkcode Process.run} take both; for others
 * there is {@linkcode commandLine}.
 *
 * @param flags What Deno allows it. An executable has its own.
 */
export function source(
  file: string,
  flags: readonly string[] = ["-A", "--unstable-net"],
): string[] {
  const executable = EXECUTABLES[file];
  if (PROGRAMS !== undefined && executable !== undefined) return [`${PROGRAMS}/${executable}`];
  const bundle = bundleOf(executable ?? basename(file, ".ts"));
  // No deno.json is near it.
  if (bundle !== undefined) return ["run", "--quiet", ...flags, "--no-lock", bundle];
  // Named, for a program that runs in another folder.
  return ["run", "--quiet", ...flags, `--config=${REPOSITORY}deno.json`, `${REPOSITORY}${file}`];
}

/**
 * The number of one process, for `kill`.
 *
 * @throws {RangeError} If it is none of one: 0, as systemd says of a unit that does not run, would kill the
 * runner of the tests and all that it has started.
 */
export function oneProcess(pid: number | undefined): string {
  if (pid === undefined || !(pid > 1)) throw new RangeError(`There is no process ${pid}`);
  return String(pid);
}

/** The whole command line: what {@linkcode source} gives, and arguments behind it. */
export function commandLine(words: readonly string[]): [command: string, ...args: string[]] {
  const [first = "", ...rest] = words;
  return first.startsWith("/") ? [first, ...rest] : [Deno.execPath(), ...words];
}

/**
 * A running program.
 *
 * - Its output is read at once, so that it never blocks on a full pipe.
 * - A test that disposes of it fails if it had ended without being asked.
 */
export class Process implements AsyncDisposable {
  readonly name: string;
  readonly exit: Promise<Exit>;
  readonly #child: Deno.ChildProcess;
  readonly #outputs: Promise<void>[];
  readonly #waiters = new Set<() => void>();
  #lines: string[] = [];
  #rest = "";
  #stderr = "";
  #exit: Exit | undefined;
  #asked = false;

  private constructor(name: string, child: Deno.ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#outputs = [
      this.#read(child.stdout, (chunk) => this.#take(chunk)),
      this.#read(child.stderr, (chunk) => {
        this.#stderr = (this.#stderr + chunk).slice(-MAX_KEPT_CHARS);
      }),
    ];
    this.exit = child.status.then(async ({ code, signal }) => {
      await Promise.all(this.#outputs);
      this.#exit = { code, signal };
      this.#wake();
      return this.#exit;
    });
  }

  /** Starts Deno with these arguments, or the executable that {@linkcode source} names. */
  static deno(name: string, words: readonly string[], options: ProcessOptions = {}): Process {
    const [command, ...args] = commandLine(words);
    return Process.start(name, command, args, options);
  }

  /** Starts any program. */
  static start(
    name: string,
    command: string,
    args: readonly string[],
    { env = {}, cwd = REPOSITORY }: ProcessOptions = {},
  ): Process {
    const child = new Deno.Command(command, {
      args: [...args],
      cwd,
      clearEnv: true,
      env: { ...cleanEnv(), ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new Process(name, child);
  }

  /** The same, to its end. */
  static run(words: readonly string[], options: RunOptions = {}): Promise<Output> {
    const [command, ...args] = commandLine(words);
    return Process.output(command, args, options);
  }

  /** Runs any program to its end. */
  static async output(
    command: string,
    args: readonly string[],
    { stdin, env = {}, cwd = REPOSITORY }: RunOptions = {},
  ): Promise<Output> {
    const child = new Deno.Command(command, {
      args: [...args],
      cwd,
      clearEnv: true,
      env: { ...cleanEnv(), ...env },
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const written = stdin === undefined ? undefined : feed(child, stdin);
    const output = await within(`the end of ${command} ${args.join(" ")}`, child.output())
      .catch((error) => {
        child.kill("SIGKILL");
        throw error;
      });
    await written;
    const decoder = new TextDecoder();
    return {
      code: output.code,
      stdout: decoder.decode(output.stdout),
      stderr: decoder.decode(output.stderr),
    };
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The end of what it wrote to stderr. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Lines of stdout that {@linkcode line} has not given away. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /**
   * The next line of stdout that matches; lines before it are forgotten.
   *
   * @throws {Error} With the process's stderr, if it ends or stays silent.
   */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + PATIENCE_MS;
    while (true) {
      for (const [i, line] of this.#lines.entries()) {
        const match = pattern.exec(line);
        if (match === null) continue;
        this.#lines = this.#lines.slice(i + 1);
        return match;
      }
      if (this.#exit !== undefined) {
        throw this.#error(`ended (${describe(this.#exit)}) without a line ${pattern}`);
      }
      if (Date.now() >= deadline) throw this.#error(`wrote no line ${pattern}`);
      await this.#woken(deadline - Date.now());
    }
  }

  /**
   * Waits until it has written something to stderr that matches.
   *
   * @param since Looks only at what came behind so many characters of {@linkcode stderr}.
   * @throws {Error} With its stderr, if it does not.
   */
  async says(pattern: RegExp, since = 0): Promise<RegExpExecArray> {
    const what = `${this.name} to write ${pattern}`;
    const found = await until(what, () => pattern.exec(this.#stderr.slice(since)) ?? undefined)
      .catch((error) => {
        throw this.#error(error.message);
      });
    return found;
  }

  signal(signal: Deno.Signal): void {
    if (ENDING.has(signal)) this.#asked = true;
    this.#child.kill(signal);
  }

  /** Freezes the process: it lives, and does nothing. */
  pause(): void {
    this.signal("SIGSTOP");
  }

  resume(): void {
    this.signal("SIGCONT");
  }

  /** Waits until it has ended. */
  async ended(): Promise<Exit> {
    return await within(`the end of ${this.name}`, this.exit).catch((error) => {
      throw this.#error(error.message);
    });
  }

  /** Asks it to end by SIGTERM and waits until it has. */
  async stop(): Promise<Exit> {
    return await this.#end("SIGTERM");
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<Exit> {
    return await this.#end("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const crashed = this.#exit !== undefined && !this.#asked ? this.#exit : undefined;
    if (this.#exit === undefined) {
      this.#asked = true;
      this.#signalIfAlive("SIGCONT");
      this.#signalIfAlive("SIGTERM");
      const timer = setTimeout(() => this.#signalIfAlive("SIGKILL"), GRACE_MS);
      await this.exit;
      clearTimeout(timer);
    }
    if (crashed !== undefined) throw this.#error(`ended unasked (${describe(crashed)})`);
  }

  async #end(signal: Deno.Signal): Promise<Exit> {
    this.#asked = true;
    if (this.#exit === undefined) this.#signalIfAlive(signal);
    return await this.ended();
  }

  /** For one that may be ending by itself: its end is known only when its output is read. */
  #signalIfAlive(signal: Deno.Signal): void {
    try {
      this.signal(signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
    }
  }

  #error(what: string): Error {
    return new Error(`${this.name} ${what}; its stderr:\n${this.#stderr || "(empty)"}`);
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (chunk: string) => void) {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) take(chunk);
  }

  #take(chunk: string): void {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = (lines.pop() ?? "").slice(-MAX_KEPT_CHARS);
    this.#lines.push(...lines);
    if (this.#lines.length > MAX_LINES) this.#lines = this.#lines.slice(-MAX_LINES);
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }

  #woken(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiters.add(done);
    });
  }
}

function describe({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : signal;
}

/** A program that has ended without reading its input is no error of the test. */
async function feed(child: Deno.ChildProcess, text: string): Promise<void> {
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text)).then(() => writer.close()).catch(() => {});
}
