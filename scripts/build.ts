/**
 * `deno task build`: writes the executables `ghub`, `gserver` and `gclient`.
 *
 * With `deno compile` where its base runtime can be had (from the network, from Deno's cache, or
 * from the file that DENORT_BIN names); else as self-extracting executables, which behave the same.
 *
 * @module
 */
import { VERSION } from "../shared/version.ts";
import { readArguments, runScript, UsageError } from "./arguments.ts";
import { bundle } from "./build/bundle.ts";
import { compile, whyNoBase } from "./build/compile.ts";
import { PROGRAMS, type ProgramSource } from "./build/programs.ts";
import { MACHINES, packDeno, selfExtracting } from "./build/self_extracting.ts";

const USAGE = `
Usage: deno task build [--out DIR] [--target TARGET]… [--self-extracting [--deno FILE]] [NAME]…

Writes the executables ghub, gserver and gclient, or only those that are named.

  --out DIR          Where to (default: here). With several targets, each gets a folder of its own
  --target TARGET    For another system, such as aarch64-unknown-linux-gnu; may be repeated
  --self-extracting  Do not try deno compile
  --deno FILE        The deno binary of the target, of this version, for a self-extracting executable
`;

const ROOT = new URL("..", import.meta.url).pathname;

/** Besides the code and the data, what `deno run` must not look for on the machine it comes to. */
const RUN_FLAGS = ["--no-config", "--no-lock", "--no-npm", "--cached-only"];

interface Build {
  readonly programs: readonly ProgramSource[];
  readonly target: string;
  readonly dir: string;
}

async function build(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(USAGE, args, {
    out: { type: "string", default: "." },
    target: { type: "string", multiple: true },
    "self-extracting": { type: "boolean", default: false },
    deno: { type: "string" },
  });
  const programs = choose(positionals);
  const targets = [...new Set(values.target ?? [Deno.build.target])];
  if (values.deno !== undefined && targets.length > 1) {
    throw new UsageError("--deno fits one --target only");
  }
  for (const target of targets) {
    const dir = targets.length > 1 ? `${values.out}/${target}` : values.out;
    await Deno.mkdir(dir, { recursive: true });
    const why = values["self-extracting"] || values.deno !== undefined
      ? "as asked"
      : await whyNoBase(target);
    if (why === undefined) await compileAll({ programs, target, dir });
    else await packAll({ programs, target, dir }, { why, denoFile: values.deno });
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

async function compileAll({ programs, target, dir }: Build): Promise<void> {
  const suffix = target.includes("windows") ? ".exe" : "";
  for (const program of programs) {
    const output = `${await Deno.realPath(dir)}/${program.name}${suffix}`;
    await compile(program, { target, output, root: ROOT });
    console.log(`Wrote ${dir}/${program.name}${suffix} ${await megabytes(output)}`);
  }
}

async function packAll(
  { programs, target, dir }: Build,
  { why, denoFile }: { why: string; denoFile: string | undefined },
): Promise<void> {
  const hint = "Set DENORT_BIN to the base runtime (denort) of that target";
  if (MACHINES[target] === undefined) {
    throw new Error(
      `Cannot build for ${target}: the base runtime of deno compile: ${why}. ${hint}`,
    );
  }
  if (target !== Deno.build.target && denoFile === undefined) {
    throw new Error(
      `Cannot build for ${target} on ${Deno.build.target}: the base runtime of deno compile: ${why}. ` +
        `${hint}, or name that system's deno ${Deno.version.deno} with --deno FILE`,
    );
  }
  console.log(
    `Writing self-extracting executables, which behave the same (deno compile's base runtime: ${why})`,
  );
  const about = { version: Deno.version.deno, target };
  const deno = await packDeno(denoFile ?? Deno.execPath(), about);
  for (const program of programs) {
    const file = await selfExtracting({
      name: program.name,
      version: VERSION,
      bundle: await bundle(program, ROOT),
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
