/**
 * Our three programs and Fluentd as subprocesses of the demo, all of them gone afterwards.
 *
 * @module
 */
import { bundleOf } from "../run_tests/bundle_of.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** Hub and server are up within a second or two; a slow and busy machine gets more. */
const READY_TIMEOUT_MS = 90_000;
/** Longer than any start, stop or restart that the demo asks for may take. */
const CALL_TIMEOUT_MS = 240_000;
const STOP_TIMEOUT_MS = 10_000;
/** Characters of a program's log that are kept, for when it fails. */
const KEPT_CHARS = 4000;

const ENTRIES = { ghub: "hub/main.ts", gserver: "server/main.ts", gclient: "client/main.ts" };

/** One of our programs. */
export type ProgramName = keyof typeof ENTRIES;

/** How a call of `gclient` ended. */
export interface CallResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function source(name: ProgramName, args: readonly string[]): string[] {
  const bundle = bundleOf(name); // In a test of the demo: it starts sooner.
  if (bundle !== undefined) {
    return ["run", "-A", "--quiet", "--unstable-net", "--no-lock", bundle, ...args];
  }
  return ["run", "-A", "--quiet", `${ROOT}${ENTRIES[name]}`, ...args];
}

/** What is set in the caller's shell for other hubs, or leads to a proxy, must not lead the demo astray. */
function environment(): Record<string, string> {
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) =>
    !/^(GHUB|GSERVER|GCLIENT)_|^((HTTPS?|ALL|NO|GRPC|NO_GRPC)_PROXY|SERVER_ADDR)$/i.test(name)
  );
  return Object.fromEntries(kept);
}

/** A hub or a server that runs until it is disposed of. */
export class DemoProgram implements AsyncDisposable {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #ready = Promise.withResolvers<string>();
  readonly #read: Promise<unknown>;
  #log = "";

  constructor(name: ProgramName, args: readonly string[]) {
    this.#name = name;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: source(name, args),
      clearEnv: true,
      env: environment(),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#ready.promise.catch(() => {}); // looked at by ready()
    this.#read = Promise.all([this.#follow(this.#child.stdout), this.#follow(this.#child.stderr)]);
    this.#child.status.then(() => this.#fail("ended"));
  }

  /** The line by which it says that it is ready. */
  async ready(signal: AbortSignal): Promise<string> {
    const timer = setTimeout(() => this.#fail("is not ready"), READY_TIMEOUT_MS);
    const stop = () => this.#ready.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      signal.throwIfAborted();
      return await this.#ready.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Whether its log has this. */
  hasSaid(pattern: RegExp): boolean {
    return pattern.test(this.#log);
  }

  /** Waits until its log has this. */
  async says(pattern: RegExp, signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!this.hasSaid(pattern)) {
      signal.throwIfAborted();
      if (Date.now() > deadline) throw new Error(`${this.#name} does not say ${pattern}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Ended already is as good.
    const send = (signal: Deno.Signal) => {
      try {
        this.#child.kill(signal);
      } catch (error) {
        if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
      }
    };
    send("SIGTERM");
    const timer = setTimeout(() => send("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#child.status;
    await this.#read;
    clearTimeout(timer);
  }

  async #follow(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      this.#log = (this.#log + chunk).slice(-KEPT_CHARS);
      const line = new RegExp(`^${this.#name} ready .*$`, "m").exec(this.#log)?.[0];
      if (line !== undefined) this.#ready.resolve(line);
    }
  }

  #fail(what: string): void {
    this.#ready.reject(new Error(`${this.#name} ${what}. It said:\n${this.#log || "(nothing)"}`));
  }
}

/** Runs `gclient` to its end. */
export async function gclient(
  args: readonly string[],
  options: { stdin?: string; signal: AbortSignal; cwd: string },
): Promise<CallResult> {
  const { stdin, signal, cwd } = options;
  const child = new Deno.Command(Deno.execPath(), {
    args: source("gclient", args),
    cwd,
    clearEnv: true,
    env: environment(),
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
  }).spawn();
  const fed = stdin === undefined
    ? undefined
    : new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {}); // it may not read to the end
  const { code, stdout, stderr } = await child.output();
  await fed;
  signal.throwIfAborted();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/**
 * Ends whatever still has a file of the demo's folder in its command line. A Fluentd outlives
 * its server on purpose, so the demo looks for it itself.
 */
export async function endLeftovers(dir: string): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    let pids = await processesOf(dir);
    for (const pid of pids) {
      try {
        Deno.kill(pid, signal);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // it has just ended
      }
    }
    while (pids.length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      pids = await processesOf(dir);
    }
    if (pids.length === 0) return;
  }
}

async function processesOf(dir: string): Promise<number[]> {
  const { stdout } = await new Deno.Command("ps", {
    args: ["-A", "-ww", "-o", "pid=", "-o", "stat=", "-o", "args="],
    stderr: "null",
  }).output().catch(() => ({ stdout: new Uint8Array() }));
  const rows = new TextDecoder().decode(stdout).split("\n");
  return rows.map((row) => /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(row) ?? [])
    .filter(([, , state = "Z", args = ""]) => !state.startsWith("Z") && args.includes(`${dir}/`))
    .map(([, pid]) => Number(pid)).filter((pid) => pid !== Deno.pid);
}
