/**
 * Runs files of tests, several at once, and prints a line when a process is done:
 *
 *     [ 34/247] ok      12 passed, 1 ignored   3.2 s  tests/raw_test.ts
 *     [ 54/247] ok     312 passed   8.1 s  shared/grpc/call_test.ts and 19 more
 *
 * At the end it names what has cost most, in seconds of a processor:
 *
 *     1204.2 s of a processor in all, and most of it:
 *        93.1 s  tests/call_suite_test.ts
 *
 * What a file wrote is shown if one of its tests failed, or was skipped for a reason.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { type Batch, isTest } from "./files.ts";
import { ProcessorTime } from "./processor_time.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** No file takes a third of it on a machine with other work. */
export const FILE_LIMIT_MS = 15 * 60_000;
/** Deno's last line: `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. */
const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed(?:.*?\| (\d+) ignored)?/m;

/**
 * A fault of Deno 2.9.6 that a GOAWAY sets off in a test's own client or server, and that says nothing of
 * the code under test (docs/decisions/0009). Such a file is run once more, and that is said.
 */
const ABORTED_BY_NODE_HTTP2 = /^deno: nghttp2\/.*: Assertion `.*' failed\.$/m;

export interface RunnerOptions {
  /** How many processes at once. */
  readonly jobs: number;
  /** Set beside this process's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Only tests with this in their name. */
  readonly filter: string | undefined;
  /** A folder for a report of each process. */
  readonly junit: string | undefined;
  /** @default console.log */
  readonly print?: (line: string) => void;
}

/** How many are named as the most expensive. */
const MOST_EXPENSIVE = 10;

/** What became of the tests of a process. */
interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

/** How a process ended. */
interface Result {
  readonly success: boolean;
  readonly code: number;
  readonly text: string;
}

/** Runs files of tests, several at once, and prints a line for each process. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #print: (line: string) => void;
  readonly #startMs = performance.now();
  readonly #failed: string[] = [];
  /** Seconds of a processor, by the name of a process. */
  readonly #costs = new Map<string, number>();
  #total: Counts = { passed: 0, failed: 0, ignored: 0 };
  #files = 0;
  #done = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#print = options.print ?? console.log;
  }

  /** @returns The exit code: 0 if something was run and nothing failed. */
  async run(batches: readonly Batch[]): Promise<number> {
    this.#files = batches.reduce((sum, { paths }) => sum + paths.length, 0);
    const jobs = Math.min(this.#options.jobs, batches.length);
    this.#print(
      `${this.#files} files with tests in ${batches.length} processes, ${jobs} at once`,
    );
    const left = batches.filter(({ alone }) => !alone);
    await Promise.all(Array.from({ length: jobs }, async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await this.#one(next);
    }));
    for (const batch of batches.filter(({ alone }) => alone)) await this.#one(batch);
    this.#tellCosts();
    const { passed, failed, ignored } = this.#total;
    for (const name of this.#failed) this.#print(`FAILED: ${name}`);
    const skipped = ignored > 0 ? `, ${ignored} skipped` : "";
    this.#print(
      `${this.#failed.length === 0 ? "ok" : "FAILED"} | ${passed} passed, ${failed} failed` +
        `${skipped} | ${seconds(performance.now() - this.#startMs)}`,
    );
    return this.#failed.length === 0 && passed > 0 ? 0 : 1;
  }

  async #one({ paths, alone }: Batch): Promise<void> {
    const startMs = performance.now();
    const signal = AbortSignal.timeout(FILE_LIMIT_MS);
    const name = nameOf(paths);
    let result = await this.#test(paths, signal);
    const aborted = !result.success && ABORTED_BY_NODE_HTTP2.test(result.text);
    if (aborted) {
      this.#print(`  AGAIN: Deno's node:http2 aborted the process of ${name} (decision 9)`);
    }
    if (paths.length > 1 && !result.success && !SUMMARY.test(result.text)) {
      // Which one it was, and what became of the others, only a process for each can tell.
      if (!aborted) {
        this.#failed.push(name);
        this.#count({ passed: 0, failed: 1, ignored: 0 });
        this.#print(`${result.text.trimEnd()}\nExit ${result.code}, so each by itself: ${name}`);
      }
      for (const path of paths) await this.#one({ paths: [path], alone });
      return;
    }
    if (aborted) result = await this.#test(paths, signal);
    this.#tell(paths, { result, signal, tookMs: performance.now() - startMs });
  }

  #tellCosts(): void {
    const costs = [...this.#costs].toSorted(([, a], [, b]) => b - a);
    if (costs.length === 0) return;
    const all = costs.reduce((sum, [, cost]) => sum + cost, 0);
    this.#print(`${all.toFixed(1)} s of a processor in all, and most of it:`);
    for (const [name, cost] of costs.slice(0, MOST_EXPENSIVE)) {
      this.#print(`${cost.toFixed(1).padStart(9)} s  ${name}`);
    }
  }

  /** Counts a result, and prints it. */
  #tell(
    paths: readonly string[],
    { result: { success, code, text }, signal, tookMs }: {
      result: Result;
      signal: AbortSignal;
      tookMs: number;
    },
  ): void {
    const [, passed = 0, failed = 0, ignored = 0] = (SUMMARY.exec(text) ?? []).map(Number);
    // A process that crashed has counted nothing.
    const counts = { passed, failed: success ? failed : Math.max(failed, 1), ignored };
    this.#count(counts);
    this.#done += paths.length;
    const name = nameOf(paths);
    const verdict = success ? "ok    " : "FAILED";
    const skipped = ignored > 0 ? `, ${ignored} ignored` : "";
    const place = `[${String(this.#done).padStart(String(this.#files).length)}/${this.#files}]`;
    this.#print(
      `${place} ${verdict} ${counts.passed} passed${skipped}  ${seconds(tookMs)}  ${name}`,
    );
    if (success) {
      for (const [line] of text.matchAll(/^SKIPPED: .*$/gm)) this.#print(`  ${line}`);
      return;
    }
    const named = paths.filter((path) => text.includes(`=> ./${path}:`));
    this.#failed.push(...named.length > 0 ? named : [name]);
    const why = signal.aborted ? `It took longer than ${seconds(FILE_LIMIT_MS)}` : `Exit ${code}`;
    this.#print(`${text.trimEnd()}\n${why}: ${name}`);
  }

  /** Runs the tests of some files in a process of their own. */
  async #test(paths: readonly string[], signal: AbortSignal): Promise<Result> {
    const { env, filter, junit } = this.#options;
    await using cleanup = new AsyncDisposableStack();
    let files = paths;
    if (paths.length > 1 && paths.every(isTest)) {
      // Deno would begin afresh for each file: in one that imports them all, their code is loaded once.
      const all = await Deno.makeTempFile({ prefix: "ghub-tests-", suffix: "_test.ts" });
      cleanup.defer(() => Deno.remove(all));
      await Deno.writeTextFile(all, paths.map((path) => `import "${urlOf(path)}";\n`).join(""));
      files = [all];
    }
    const report = junit && `${junit}/${paths[0]!.replaceAll("/", "-")}.xml`;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "-A", "--no-check", `--config=${ROOT}deno.json`],
        ...(paths.every(isTest) ? [] : ["--doc"]),
        ...(filter === undefined ? [] : ["--filter", filter, "--permit-no-files"]),
        ...(report === undefined ? [] : [`--junit-path=${report}`]),
        ...files,
      ],
      cwd: ROOT,
      env: { ...env, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    }).spawn();
    using used = new ProcessorTime(child.pid);
    const { success, code, stdout, stderr } = await child.output();
    const name = nameOf(paths);
    if (used.seconds !== undefined) {
      this.#costs.set(name, (this.#costs.get(name) ?? 0) + used.seconds);
    }
    const decoder = new TextDecoder();
    return { success, code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  }

  #count({ passed, failed, ignored }: Counts): void {
    this.#total = {
      passed: this.#total.passed + passed,
      failed: this.#total.failed + failed,
      ignored: this.#total.ignored + ignored,
    };
  }
}

function nameOf(paths: readonly string[]): string {
  return paths.length === 1 ? paths[0]! : `${paths[0]} and ${paths.length - 1} more`;
}

function urlOf(path: string): string {
  return pathToFileURL(path.startsWith("/") ? path : `${ROOT}${path}`).href;
}

function seconds(ms: number): string {
  return ms < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}
