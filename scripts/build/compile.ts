/**
 * Executables by `deno compile`, where its base runtime can be had. It gets the bundle and not the
 * sources: with whole packages to look through, it overflows its stack (2.9.6,
 * https://github.com/denoland/deno/issues/36746).
 *
 * @module
 */
import type { ProgramSource } from "./programs.ts";
import { deno, type ToolResult } from "./tool.ts";

/**
 * How long one program may take. The first one waits for the base runtime (some 40 MB): a network
 * that swallows packets would otherwise hold up the build for minutes before it fails.
 */
export const COMPILE_TIMEOUT_MS = 60_000;

/** The bundle is all there is: nothing is looked for on the machine that builds. */
const COMPILE_FLAGS = [
  ...["--no-check", "--no-config", "--no-lock", "--no-npm"],
  // It would be kept under a name that any user of the machine can guess, in a folder of everybody's.
  "--no-code-cache",
];

/** What a program is compiled from and to. */
export interface CompileOptions {
  /** The program as one JavaScript module without imports other than `node:`. */
  readonly bundle: Uint8Array;
  readonly target: string;
  /** A folder of the build's own: a compile that fails leaves a file behind. */
  readonly dir: string;
  /** @default the builder's environment, of which little gets through */
  readonly env?: Readonly<Record<string, string>>;
}

/** The file that was made, or why none was: one line. */
export type Compiled = { readonly path: string } | { readonly why: string };

/** Compiles one program. */
export async function compile(program: ProgramSource, options: CompileOptions): Promise<Compiled> {
  const { bundle, target, dir, env = {} } = options;
  const entry = `${dir}/main.js`;
  const path = `${dir}/${program.name}${target.includes("windows") ? ".exe" : ""}`;
  await Deno.writeFile(entry, bundle);
  const args = ["compile", ...COMPILE_FLAGS, ...program.flags, "--target", target];
  const limits = { timeoutMs: COMPILE_TIMEOUT_MS, env };
  const result = await deno([...args, "--output", path, entry], limits);
  await Deno.remove(entry);
  return result.success ? { path } : { why: compileReason(result) };
}

/** One line of what `deno compile` wrote: the innermost cause that it numbers, else its error. */
export function compileReason({ timedOut, stderr }: ToolResult): string {
  if (timedOut) return `it took longer than ${COMPILE_TIMEOUT_MS / 1000} s`;
  if (stderr.includes("Setting up base binary")) return "its base runtime cannot be fetched";
  const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const cause = lines.findLast((line) => /^\d+: (?!<unknown>)/.test(line))?.replace(/^\d+: /, "");
  const error = lines.find((line) => /^error: |overflowed|panicked|^fatal/.test(line));
  return cause ?? error?.replace(/^error: /, "") ?? lines.at(-1) ?? "it failed without a word";
}
