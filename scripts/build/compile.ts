/**
 * Executables by `deno compile`, where its base runtime can be had.
 *
 * @module
 */
import type { ProgramSource } from "./programs.ts";
import { deno } from "./tool.ts";

/**
 * How long the base runtime may take to arrive (it has some 40 MB). A network that swallows packets
 * would otherwise hold up the build for minutes before it fails.
 */
const BASE_TIMEOUT_MS = 30_000;
const COMPILE_TIMEOUT_MS = 5 * 60_000;

/** What `deno compile` says when it is the base runtime that it lacks. */
const NO_BASE = /Setting up base binary/;

/**
 * Can `deno compile` work for a target? Tries it with an empty program.
 *
 * @returns `undefined` if it can, else why not, in a few words.
 * @throws {Error} If it fails for another reason than the base runtime.
 */
export async function whyNoBase(target: string): Promise<string | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-build-" });
  try {
    await Deno.writeTextFile(`${dir}/empty.ts`, "");
    const args = ["compile", "--no-config", "--target", target, "--output", `${dir}/empty`];
    const result = await deno([...args, `${dir}/empty.ts`], { timeoutMs: BASE_TIMEOUT_MS });
    if (result.success) return undefined;
    if (result.timedOut) return `it did not arrive within ${BASE_TIMEOUT_MS / 1000} s`;
    if (NO_BASE.test(result.stderr)) return "it cannot be fetched";
    throw new Error(`Cannot compile for ${target}:\n${result.stderr.trim()}`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Compiles one program to `output`. */
export async function compile(
  program: ProgramSource,
  options: { target: string; output: string; root: string },
): Promise<void> {
  const { target, output, root } = options;
  const args = ["compile", "--no-check", "--exclude-unused-npm", ...program.flags];
  const result = await deno([...args, "--target", target, "--output", output, program.entry], {
    timeoutMs: COMPILE_TIMEOUT_MS,
    cwd: root,
  });
  if (!result.success) {
    throw new Error(`Cannot compile ${program.name} for ${target}:\n${result.stderr.trim()}`);
  }
}
