/**
 * Runs files of tests, several at once, and prints a line when one is done:
 *
 *     [ 34/247] ok      12 passed, 1 ignored   3.2 s  tests/raw_test.ts
 *
 * What a file wrote is shown if one of its tests failed, or was skipped for a reason.
 *
 * @module
 */
import type { TestFile } from "./files.ts";

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
  /** How many files at once. */
  readonly jobs: number;
  /** Set beside this process's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Only tests with this in their name. */
  readonly filter: string | undefined;
  /** A folder for a report of each file. */
  readonly junit: string | undefined;
  /** @default console.log */
  readonly print?: (line: string) => void;
}

/** What became of the tests of a file. */
interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

/** Runs files of tests, several at once, and prints a line for each. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #print: (line: string) => void;
  readonly #startMs = performance.now();
  readonly #failed: string[] = [];
  #total: Counts = { passed: 0, failed: 0, ignored: 0 };
  #files = 0;
  #done = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#print = options.print ?? console.log;
  }

  /** @returns The exit code: 0 if something was run and nothing failed. */
  async run(files: readonly TestFile[]): Promise<number> {
    this.#files = files.length;
    const jobs = Math.min(this.#options.jobs, files.length);
    this.#print(`${files.length} files with tests, ${jobs} at once`);
    const left = files.filter(({ alone }) => !alone);
    await Promise.all(Array.from({ length: jobs }, async () => {
      for (let file = left.shift(); file !== undefined; file = left.shift()) await this.#one(file);
    }));
    for (const file of files.filter(({ alone }) => alone)) await this.#one(file);
    const { passed, failed, ignored } = this.#total;
    for (const path of this.#failed) this.#print(`FAILED: ${path}`);
    const skipped = ignored > 0 ? `, ${ignored} skipped` : "";
    this.#print(
      `${this.#failed.length === 0 ? "ok" : "FAILED"} | ${passed} passed, ${failed} failed` +
        `${skipped} | ${seconds(performance.now() - this.#startMs)}`,
    );
    return this.#failed.length === 0 && passed > 0 ? 0 : 1;
  }

  async #one({ path }: TestFile): Promise<void> {
    const startMs = performance.now();
    const signal = AbortSignal.timeout(FILE_LIMIT_MS);
    let { success, code, text } = await this.#test(path, signal);
    if (!success && ABORTED_BY_NODE_HTTP2.test(text)) {
      this.#print(`  AGAIN: Deno's node:http2 aborted the process of ${path} (decision 9)`);
      ({ success, code, text } = await this.#test(path, signal));
    }
    const [, passed = 0, failed = 0, ignored = 0] = (SUMMARY.exec(text) ?? []).map(Number);
    // A process that crashed has counted nothing.
    const counts = { passed, failed: success ? failed : Math.max(failed, 1), ignored };
    this.#count(counts);
    const verdict = success ? "ok    " : "FAILED";
    const skipped = ignored > 0 ? `, ${ignored} ignored` : "";
    const place = `[${String(++this.#done).padStart(String(this.#files).length)}/${this.#files}]`;
    const took = seconds(performance.now() - startMs);
    this.#print(`${place} ${verdict} ${counts.passed} passed${skipped}  ${took}  ${path}`);
    if (success) {
      for (const [line] of text.matchAll(/^SKIPPED: .*$/gm)) this.#print(`  ${line}`);
      return;
    }
    this.#failed.push(path);
    const why = signal.aborted ? `It took longer than ${seconds(FILE_LIMIT_MS)}` : `Exit ${code}`;
    this.#print(`${text.trimEnd()}\n${why}: ${path}`);
  }

  /** Runs the tests of one file in a process of their own. */
  async #test(path: string, signal: AbortSignal) {
    const { env, filter, junit } = this.#options;
    const report = junit && `${junit}/${path.replaceAll("/", "-")}.xml`;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "-A", "--no-check", ...(path.endsWith("_test.ts") ? [] : ["--doc"])],
        ...(filter === undefined ? [] : ["--filter", filter, "--permit-no-files"]),
        ...(report === undefined ? [] : [`--junit-path=${report}`]),
        path,
      ],
      cwd: ROOT,
      env: { ...env, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    }).spawn();
    const { success, code, stdout, stderr } = await child.output();
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

function seconds(ms: number): string {
  return ms < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}
