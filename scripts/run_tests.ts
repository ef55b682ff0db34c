/**
 * `deno task test`: runs files of tests in processes of their own, several at once, and tells how far
 * it is. Tests of parts share processes; of a process that crashes, each file is run by itself.
 *
 * @module
 */
import { type Context, defineCommand } from "../shared/cli/command.ts";
import type { Options } from "../shared/cli/option.ts";
import { count } from "../shared/cli/parse_count.ts";
import { PROGRAMS } from "./build/programs.ts";
import { runScript } from "./script.ts";
import { UsageError } from "../shared/cli/usage_error.ts";
import { bundleHelpers, bundlePrograms } from "./run_tests/bundles.ts";
import { keepCompiledFiles, sharedFolder } from "./run_tests/compiled_files.ts";
import {
  batchesOf,
  collect,
  type Kind,
  mayStartPrograms,
  testsOfPrograms,
} from "./run_tests/files.ts";
import { Runner } from "./run_tests/runner.ts";

/** A test of a whole program waits half of its time. */
const JOBS_PER_PROCESSOR = 2;

const options = {
  unit: { flag: "--unit", perRun: true, help: "Only tests of parts that are quick" },
  system: {
    flag: "--system",
    perRun: true,
    help: "Only tests of whole programs, tests/ and *_process_test.ts, that are quick",
  },
  slow: {
    flag: "--slow",
    perRun: true,
    help: "Only the tests of both kinds that take long, and those of a real Fluentd",
  },
  programs: {
    flag: "--programs",
    value: "FOLDER",
    perRun: true,
    help: "Tests of whole programs, with the executables in this folder in place of the sources",
    complete: "directory",
  },
  workers: {
    flag: "--workers",
    ...count({ from: 1, to: 64 }),
    default: 1,
    perRun: true,
    help: "Starts each hub that is a process of its own with this many workers",
  },
  fresh: {
    flag: "--fresh",
    perRun: true,
    help: "Only tests with random values, with new ones; prints the seed",
  },
  filter: {
    flag: "--filter",
    value: "TEXT",
    perRun: true,
    help: "Only tests with this in their name",
  },
  jobs: {
    flag: "--jobs",
    ...count({ from: 1, to: 1_000 }),
    default: JOBS_PER_PROCESSOR * navigator.hardwareConcurrency,
    perRun: true,
    help: "How many processes at once",
  },
  junit: {
    flag: "--junit",
    value: "FOLDER",
    perRun: true,
    help: "Writes a report of each process to this folder",
    complete: "directory",
  },
} as const satisfies Options;

const test = defineCommand({
  name: "test",
  summary: "Runs the tests, or only those of the files and folders that are named",
  args: [{
    name: "paths",
    summary: "Files and folders",
    optional: true,
    many: true,
    complete: "file",
  }],
  options,
  run,
});

async function run({ args, options: values }: Context<typeof options>): Promise<number> {
  const kinds = (["unit", "system", "slow"] as const).filter((kind) => values[kind]);
  if (kinds.length > 1) throw new UsageError(`--${kinds[0]} and --${kinds[1]} cannot go together`);
  if (values.programs !== undefined && kinds[0] !== undefined && kinds[0] !== "system") {
    throw new UsageError(`--${kinds[0]} and --programs cannot go together`);
  }
  await using cleanup = new AsyncDisposableStack();
  const env: Record<string, string> = {};
  if (values.programs !== undefined) {
    env["GHUB_PROGRAMS"] = await folderOfPrograms(values.programs);
    // They unpack once for all tests, whatever HOME a test gives them.
    const cache = await Deno.makeTempDir({ prefix: "ghub-test-cache-" });
    cleanup.defer(() => Deno.remove(cache, { recursive: true }));
    env["XDG_CACHE_HOME"] = cache;
  }
  if (values.workers > 1) env["GHUB_TEST_WORKERS"] = String(values.workers);
  if (values.fresh) {
    const seed = crypto.getRandomValues(new Int32Array(1))[0]!;
    env["GHUB_TEST_SEED"] = String(seed);
    console.log(`Seed ${seed}: GHUB_TEST_SEED=${seed} deno task test … plays it again`);
  }
  const kind: Kind = values.fresh
    ? "random"
    : values.programs !== undefined
    ? "programs"
    : kinds[0] ?? "all";
  await fetchPackages();
  const all = collect(args, kind);
  const files = values.programs === undefined ? all : testsOfPrograms(all);
  if (files.length === 0) throw new UsageError("There is no such test");
  const shared = await sharedFolder(cleanup);
  Object.assign(env, await keepCompiledFiles(shared));
  if (files.some(mayStartPrograms)) {
    const make = values.programs === undefined ? bundlePrograms : bundleHelpers;
    Object.assign(env, await bundlesOrNone(make(shared)));
  }
  if (values.junit !== undefined) await Deno.mkdir(values.junit, { recursive: true });
  return await new Runner({ jobs: values.jobs, env, filter: values.filter, junit: values.junit })
    .run(batchesOf(files));
}

/** Without the network and never having had it, tests take longer and say the same. */
async function bundlesOrNone(
  bundles: Promise<Record<string, string>>,
): Promise<Record<string, string>> {
  return await bundles.catch((error) => {
    console.warn(`Tests start programs from their sources: ${error.message}`);
    return {};
  });
}

/** Programs under test have an environment in which a registry may be out of reach. */
async function fetchPackages(): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet"],
    cwd: new URL("..", import.meta.url),
  }).output();
  if (!success) throw new Error("Cannot fetch the packages: run deno install to see why");
}

async function folderOfPrograms(dir: string): Promise<string> {
  const path = await Deno.realPath(dir).catch(() => {
    throw new UsageError(`There is no folder ${dir}: deno task build --out ${dir} makes it`);
  });
  for (const { name } of PROGRAMS) {
    const isThere = await Deno.stat(`${path}/${name}`).then((info) => info.isFile, () => false);
    if (!isThere) {
      throw new UsageError(`There is no ${name} in ${dir}: deno task build makes it`);
    }
  }
  return path;
}

if (import.meta.main) await runScript(test);
