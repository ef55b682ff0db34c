/**
 * The files that have tests, and what each needs.
 *
 * @module
 */
import { join } from "node:path";

/** Which tests: of whole programs, of parts, those with random values, or all. */
export type Kind = "all" | "system" | "unit" | "random";

/** A file to run. */
export interface TestFile {
  /** Relative to the repository. */
  readonly path: string;
  /** No other file may run at the same time. */
  readonly alone: boolean;
}

const ROOT = new URL("../..", import.meta.url).pathname;
const SKIPPED = new Set([".git", "node_modules", "coverage", "dist", "gen"]);

/** Need ports that the README names. */
const ALONE: ReadonlySet<string> = new Set(["tests/build_test.ts"]);

/** Look at sources and documents, run none of our programs, or build executables themselves. */
const WITHOUT_PROGRAMS: ReadonlySet<string> = new Set([
  "tests/auth_docs_test.ts",
  "tests/build_test.ts",
  "tests/bundle_test.ts",
  "tests/certificates_test.ts",
  "tests/compile_test.ts",
  "tests/demo_test.ts",
  "tests/docs_test.ts",
  "tests/embedding_test.ts",
  "tests/first_change_test.ts",
  "tests/fluentd_lies_test.ts",
  "tests/fluentd_walk_test.ts",
  "tests/house_test.ts",
  "tests/library_test.ts",
  "tests/lock_test.ts",
  "tests/manager_suite_test.ts",
  "tests/permissions_test.ts",
  "tests/regexp_test.ts",
  "tests/reliability/table_test.ts",
  "tests/self_extracting_test.ts",
  "tests/systemd_machine_test.ts",
  "tests/tasks_test.ts",
  "tests/where_test.ts",
  "tests/workflow_test.ts",
  "tests/worst_inputs_test.ts",
  "tests/yaml_bounds_test.ts",
]);

/** An example in a doc comment that is run. */
const EXAMPLE = /^ \* ```ts$/m;
const RANDOM = /testing\/property\.ts"/;

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
  found.sort((a, b) => Number(isSystem(b)) - Number(isSystem(a)) || (a < b ? -1 : 1));
  return found.map((path) => ({ path, alone: ALONE.has(path) }));
}

/** Those of them that start our programs. */
export function testsOfPrograms(files: readonly TestFile[]): TestFile[] {
  return files.filter(({ path }) => !WITHOUT_PROGRAMS.has(path));
}

function isSystem(path: string): boolean {
  return path.startsWith("tests/") || path.endsWith("_process_test.ts");
}

function isOf(kind: Kind, path: string): boolean {
  const isTest = path.endsWith("_test.ts");
  const hasTests = isTest || (path.endsWith(".ts") && EXAMPLE.test(read(path)));
  if (!hasTests) return false;
  if (kind === "random") return isTest && RANDOM.test(read(path));
  return kind === "all" || isSystem(path) === (kind === "system");
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
