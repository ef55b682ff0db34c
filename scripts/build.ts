/**
 * `deno task build`: writes the executables `ghub`, `gserver` and `gclient`.
 *
 * With `deno compile` where that works (its base runtime comes from the network, from Deno's cache,
 * or from the file that DENORT_BIN names); else as self-extracting executables. Both run the same
 * bundle with the same flags.
 *
 * @module
 */
import { basename } from "node:path";
import { VERSION } from "../shared/version.ts";
import { type Context, defineCommand } from "../shared/cli/command.ts";
import type { Options } from "../shared/cli/option.ts";
import { runScript } from "./script.ts";
import { UsageError } from "../shared/cli/usage_error.ts";
import { bundle } from "./build/bundle.ts";
import { compile } from "./build/compile.ts";
import { PROGRAMS, type ProgramSource } from "./build/programs.ts";
import { MACHINES, packDeno, selfExtracting } from "./build/self_extracting.ts";

const options = {
  out: {
    flag: "--out",
    value: "FOLDER",
    default: ".",
    perRun: true,
    help: "Where to; with several targets, each gets a folder of its own",
    complete: "directory",
  },
  targets: {
    flag: "--target",
    value: "TARGET",
    many: true,
    defaultText: "this system",
    perRun: true,
    help: "For another system, such as aarch64-unknown-linux-gnu",
  },
  selfExtracting: {
    flag: "--self-extracting",
    perRun: true,
    help: "Does not try deno compile",
  },
  deno: {
    flag: "--deno",
    value: "FILE",
    perRun: true,
    help: "The deno binary of the target, of this version, for a self-extracting executable",
    complete: "file",
  },
} as const satisfies Options;

const build = defineCommand({
  name: "build",
  summary: "Writes the executables ghub, gserver and gclient, or only those that are named",
  args: [{ name: "names", summary: "Those to write", optional: true, many: true }],
  options,
  run,
});

const ROOT = new URL("..", import.meta.url).pathname;

/** What `deno run` must not look for on the machine it comes to, other than code and data. */
const RUN_FLAGS = ["--no-config", "--no-lock", "--no-npm", "--cached-only"];

/** A program and its bundle. */
interface Bundled {
  readonly program: ProgramSource;
  readonly bundle: Uint8Array;
}

interface Build {
  readonly programs: readonly Bundled[];
  readonly target: string;
  readonly dir: string;
}

async function run({ args, options: values }: Context<typeof options>): Promise<number> {
  const { out, deno: denoFile, selfExtracting } = values;
  const chosen = choose(args);
  const targets = [
    ...new Set(values.targets.length === 0 ? [Deno.build.target] : values.targets),
  ];
  if (denoFile !== undefined && targets.length > 1) {
    throw new UsageError("--deno fits one --target only");
  }
  const asked = selfExtracting || denoFile !== undefined ? "not asked for" : undefined;
  if (asked !== undefined) {
    for (const target of targets) assertPackable(target, { why: asked, denoFile });
  }
  // Once, for every target and in whatever form.
  const programs: Bundled[] = [];
  for (const program of chosen) programs.push({ program, bundle: await bundle(program, ROOT) });
  for (const target of targets) {
    const dir = targets.length > 1 ? `${out}/${target}` : out;
    await Deno.mkdir(dir, { recursive: true });
    const why = asked ?? await compileAll({ programs, target, dir });
    if (why !== undefined) await packAll({ programs, target, dir }, { why, denoFile });
  }
  return 0;
}

function choose(names: readonly string[]): readonly ProgramSource[] {
  for (const name of names) {
    if (!PROGRAMS.some((program) => program.name === name)) {
      const known = PROGRAMS.map((program) => program.name).join(", ");
      throw new UsageError(`There is no program "${name}": expected ${known}`);
    }
  }
  return names.length === 0 ? PROGRAMS : PROGRAMS.filter(({ name }) => names.includes(name));
}

/** @returns Why `deno compile` does not work, in a few words; then nothing was written. */
async function compileAll({ programs, target, dir }: Build): Promise<string | undefined> {
  // There, so that each file can be renamed into its place.
  const draft = await Deno.makeTempDir({ dir, prefix: ".ghub-build-" });
  try {
    const paths: string[] = [];
    for (const { program, bundle } of programs) {
      const compiled = await compile(program, { bundle, target, dir: draft });
      if ("why" in compiled) return compiled.why;
      paths.push(compiled.path);
    }
    for (const path of paths) {
      const output = `${dir}/${basename(path)}`;
      await Deno.rename(path, output);
      console.log(`Wrote ${output} ${await megabytes(output)}`);
    }
  } finally {
    await Deno.remove(draft, { recursive: true });
  }
}

/** Why the other form is wanted, and the Deno that it would hold. */
interface PackOptions {
  readonly why: string;
  readonly denoFile: string | undefined;
}

/** @throws {Error} If there is no self-extracting executable for a target, or no Deno of it here. */
function assertPackable(target: string, { why, denoFile }: PackOptions): void {
  const hint = "Set DENORT_BIN to the base runtime (denort) of that target";
  if (MACHINES[target] === undefined) {
    throw new Error(`Cannot build for ${target}: deno compile: ${why}. ${hint}`);
  }
  if (target !== Deno.build.target && denoFile === undefined) {
    throw new Error(
      `Cannot build for ${target} on ${Deno.build.target}: deno compile: ${why}. ` +
        `${hint}, or name that system's deno ${Deno.version.deno} with --deno FILE`,
    );
  }
}

async function packAll({ programs, target, dir }: Build, options: PackOptions): Promise<void> {
  const { why, denoFile } = options;
  assertPackable(target, options);
  console.log(
    `Writing self-extracting executables, which behave the same (deno compile: ${why})`,
  );
  const about = { version: Deno.version.deno, target };
  const deno = await packDeno(denoFile ?? Deno.execPath(), about);
  for (const { program, bundle } of programs) {
    const file = await selfExtracting({
      name: program.name,
      version: VERSION,
      bundle,
      flags: [...RUN_FLAGS, ...program.flags],
      deno,
    });
    const output = `${dir}/${program.name}`;
    await writeExecutable(output, file);
    console.log(`Wrote ${output} ${await megabytes(output)}`);
  }
}

/** Beside its place and renamed: an executable that runs right now cannot be written to. */
async function writeExecutable(path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.${crypto.randomUUID()}.new`;
  try {
    await Deno.writeFile(draft, bytes, { createNew: true, mode: 0o755 });
    await Deno.chmod(draft, 0o755);
    await Deno.rename(draft, path);
  } catch (error) {
    await Deno.remove(draft).catch(() => {});
    throw error;
  }
}

async function megabytes(path: string): Promise<string> {
  return `(${((await Deno.stat(path)).size / 1e6).toFixed(1)} MB)`;
}

if (import.meta.main) await runScript(build);
