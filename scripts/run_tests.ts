/**
 * `deno task test`: runs each file of tests in a process of its own, as many at once as there are
 * processors, and tells how far it is. A file that crashes takes no other one along.
 *
 * @module
 */
import { readArguments, runScript } from "./arguments.ts";
import { UsageError } from "../shared/cli/usage_error.ts";
import { collect, type Kind, testsOfPrograms } from "./run_tests/files.ts";
import { Runner } from "./run_tests/runner.ts";

const USAGE = `
Usage: deno task test [OPTION]… [PATH]…

Runs the tests, or only those of the files and folders that are named.

  --system        Only tests of whole programs: tests/ and *_process_test.ts
  --unit          Only the others
  --programs DIR  Tests the executables in DIR in place of the sources; implies --system
  --fresh         Only tests with random values, with new ones; prints the seed
  --filter TEXT   Only tests with this in their name
  --jobs N        How many files at once (default: one for each processor)
  --junit DIR     Writes a report of each file to DIR
`;

const PROGRAMS = ["ghub", "gserver", "gclient"];

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(USAGE, args, {
    system: { type: "boolean", default: false },
    unit: { type: "boolean", default: false },
    programs: { type: "string" },
    fresh: { type: "boolean", default: false },
    filter: { type: "string" },
    jobs: { type: "string", default: String(navigator.hardwareConcurrency) },
    junit: { type: "string" },
  });
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) throw new UsageError("--jobs needs a number above 0");
  if (values.unit && (values.system || values.programs !== undefined)) {
    throw new UsageError("--unit goes with neither --system nor --programs");
  }
  const env: Record<string, string> = {};
  await using cleanup = new AsyncDisposableStack();
  if (values.programs !== undefined) {
    env["GHUB_PROGRAMS"] = await folderOfPrograms(values.programs);
    // They unpack once for all tests, whatever HOME a test gives them.
    const cache = await Deno.makeTempDir({ prefix: "ghub-test-cache-" });
    cleanup.defer(() => Deno.remove(cache, { recursive: true }));
    env["XDG_CACHE_HOME"] = cache;
  }
  if (values.fresh) {
    const seed = crypto.getRandomValues(new Int32Array(1))[0]!;
    env["GHUB_TEST_SEED"] = String(seed);
    console.log(`Seed ${seed}: GHUB_TEST_SEED=${seed} deno task test … plays it again`);
  }
  const kind: Kind = values.fresh
    ? "random"
    : values.unit
    ? "unit"
    : values.system || values.programs !== undefined
    ? "system"
    : "all";
  await fetchPackages();
  const all = collect(positionals, kind);
  const files = values.programs === undefined ? all : testsOfPrograms(all);
  if (files.length === 0) throw new UsageError("There is no such test");
  if (values.junit !== undefined) await Deno.mkdir(values.junit, { recursive: true });
  return await new Runner({ jobs, env, filter: values.filter, junit: values.junit }).run(files);
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
  for (const name of PROGRAMS) {
    const isThere = await Deno.stat(`${path}/${name}`).then((info) => info.isFile, () => false);
    if (!isThere) {
      throw new UsageError(`There is no ${name} in ${dir}: deno task build makes it`);
    }
  }
  return path;
}

if (import.meta.main) await runScript(main);
