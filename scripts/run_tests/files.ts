/**
 * The files that have tests, what each needs, and which of them share a process.
 *
 * @module
 */
import { join } from "node:path";
import { SLOW } from "./slow.ts";

/**
 * Which tests: of parts, of whole programs, those of both that take long, those with random values, or
 * all. Each file is `unit`, `system` or `slow`, and one of them only.
 */
export type Kind = "all" | "unit" | "system" | "slow" | "programs" | "random";

/** A file to run. */
export interface TestFile {
  /** Relative to the repository. */
  readonly path: string;
  /** No other file may run at the same time. */
  readonly alone: boolean;
}

/** Files that one process runs. */
export interface Batch {
  readonly paths: readonly string[];
  readonly alone: boolean;
}

const ROOT = new URL("../..", import.meta.url).pathname;
const SKIPPED = new Set([".git", "node_modules", "coverage", "dist", "gen"]);

/**
 * Files with tests of parts that share a process. Each process costs half a second of a processor before
 * its first test begins, and most of what these files import is the same.
 */
const FILES_IN_A_PROCESS = 20;

/** Need ports that the README names. */
const ALONE: ReadonlySet<string> = new Set(["tests/build_test.ts"]);

/** Look at sources and documents, run none of our programs, or build executables themselves. */
const WITHOUT_PROGRAMS: ReadonlySet<string> = new Set([
  "tests/auth_docs_test.ts",
  "tests/build_test.ts",
  "tests/bundle_test.ts",
  "tests/certificates_test.ts",
  "tests/cli_comparison_test.ts",
  "tests/cluster_etcd_test.ts",
  "tests/cluster_hubs_test.ts",
  "tests/compile_test.ts",
  "tests/demo_test.ts",
  "tests/docs_test.ts",
  "tests/embedding_test.ts",
  "tests/etcd_engine_test.ts",
  "tests/first_change_test.ts",
  "tests/fluentd_lies_test.ts",
  "tests/fluentd_walk_test.ts",
  "tests/house_lint_test.ts",
  "tests/house_test.ts",
  "tests/library_test.ts",
  "tests/lock_test.ts",
  "tests/manager_suite_spawn_test.ts",
  "tests/manager_suite_systemd_test.ts",
  "tests/manager_suite_variants_test.ts",
  "tests/options_test.ts",
  "tests/permissions_test.ts",
  "tests/regexp_test.ts",
  "tests/reliability/table_test.ts",
  "tests/self_extracting_test.ts",
  "tests/start_test.ts",
  "tests/systemd_machine_test.ts",
  "tests/tasks_test.ts",
  "tests/where_test.ts",
  "tests/workflow_test.ts",
  "tests/worst_inputs_test.ts",
  "tests/yaml_bounds_test.ts",
]);

/**
 * What peers, links and clocks do to each other's connections: the same code does it in an executable.
 * That it is in there, call_suite_test, hostile_test, story_test and limits_test find out.
 */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  "tests/call_suite_foreign_test.ts",
  "tests/foreign_services_test.ts",
  "tests/reliability/calls_test.ts",
  "tests/reliability/clock_test.ts",
  "tests/reliability/handshake_test.ts",
  "tests/reliability/liveness_test.ts",
  "tests/reliability/registration_test.ts",
]);

/** An example in a doc comment that is run. */
const EXAMPLE = /^ \* ```ts$/m;
const RANDOM = /testing\/property\.ts"/;
/** V8 counts the steps of what it compiles while it counts: nothing may have run before. */
const COUNTS_STEPS = /support\/steps\.ts"/;

/**
 * The files of a kind at some paths.
 *
 * @param paths Files and folders; none means all there are.
 */
export function collect(paths: readonly string[], kind: Kind): TestFile[] {
  const wanted = paths.map((path) => path.replace(/^\.\//, "").replace(/\/$/, ""));
  const isNamed = (path: string) =>
    wanted.length === 0 || wanted.some((one) => path === one || path.startsWith(`${one}/`));
  const found = [...walk("")].filter((path) => isNamed(path) && isOf(kind, path));
  // What takes longest begins first: at the end, no processor waits for the other.
  found.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return found.map((path) => ({ path, alone: ALONE.has(path) }));
}

/** Those of them that may end in another way if our programs are executables. */
export function testsOfPrograms(files: readonly TestFile[]): TestFile[] {
  return files.filter(({ path }) => !WITHOUT_PROGRAMS.has(path) && !OF_CONNECTIONS.has(path));
}

/** Whether a file may start our programs from their sources, for which their bundles can stand in. */
export function mayStartPrograms({ path }: TestFile): boolean {
  return kindOf(path) !== "unit" && !WITHOUT_PROGRAMS.has(path);
}

/** The same files in the same order: a process each, but for tests of parts, which share. */
export function batchesOf(files: readonly TestFile[]): Batch[] {
  const batches: Batch[] = [];
  const examples: string[] = [];
  let together: string[] = [];
  for (const { path, alone } of files) {
    if (kindOf(path) !== "unit" || alone || COUNTS_STEPS.test(read(path))) {
      batches.push({ paths: [path], alone });
    } else if (!isTest(path)) {
      examples.push(path);
    } else {
      if (together.length === 0) batches.push({ paths: together, alone: false });
      together.push(path);
      if (together.length === FILES_IN_A_PROCESS) together = [];
    }
  }
  if (examples.length > 0) batches.push({ paths: examples, alone: false });
  return batches;
}

/** Whether a file has tests of its own, and not only examples. */
export function isTest(path: string): boolean {
  return path.endsWith("_test.ts");
}

/** Of which of the three kinds a file is. */
export function kindOf(path: string): "unit" | "system" | "slow" {
  if (SLOW.includes(path)) return "slow";
  return isOfPrograms(path) ? "system" : "unit";
}

function isOfPrograms(path: string): boolean {
  return path.startsWith("tests/") || path.endsWith("_process_test.ts");
}

function rank(path: string): number {
  const place = SLOW.indexOf(path);
  if (place !== -1) return place;
  return SLOW.length + (isOfPrograms(path) ? 0 : 1);
}

function isOf(kind: Kind, path: string): boolean {
  const hasTests = isTest(path) || (path.endsWith(".ts") && EXAMPLE.test(read(path)));
  if (!hasTests) return false;
  if (kind === "random") return isTest(path) && RANDOM.test(read(path));
  if (kind === "programs") return isOfPrograms(path);
  return kind === "all" || kindOf(path) === kind;
}

function read(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}

function* walk(dir: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, dir))) {
    if (SKIPPED.has(name)) continue;
    const path = dir === "" ? name : `${dir}/${name}`;
    if (isDirectory) yield* walk(path);
    else yield path;
  }
}
