/**
 * A program and all that it imports as one JavaScript module.
 *
 * @module
 */
import type { ProgramSource } from "./programs.ts";
import { deno } from "./tool.ts";

const BUNDLE_TIMEOUT_MS = 2 * 60_000;

/** Bundles the program's entry. */
export async function bundle(program: ProgramSource, root: string): Promise<Uint8Array> {
  const output = await Deno.makeTempFile({ prefix: "ghub-build-", suffix: ".js" });
  try {
    // Not --keep-names: with it, `require` of Node's own modules breaks in the bundle (Deno 2.9.6).
    const args = ["bundle", "--platform", "deno", "--minify", "--output", output, program.entry];
    const result = await deno(args, { timeoutMs: BUNDLE_TIMEOUT_MS, cwd: root });
    if (!result.success) throw new Error(`Cannot bundle ${program.name}:\n${result.stderr.trim()}`);
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(output);
  }
}
