/**
 * A program and all that it imports as one JavaScript module.
 *
 * @module
 */
import type { ProgramSource } from "./programs.ts";
import { deno } from "./tool.ts";

const BUNDLE_TIMEOUT_MS = 2 * 60_000;

/**
 * CommonJS packages `require` Node's own modules. `deno bundle` (2.9.6) gives them a `require` by
 * replacing a piece of the bundle's text, which it does not find when the minifier happened to pick a
 * name with a `$`; the piece that stays then uses a `require` in scope. So there is always one.
 */
const REQUIRE = 'import{createRequire as __createRequire}from"node:module";' +
  "const require=__createRequire(import.meta.url);\n";

/** Bundles the program's entry. */
export async function bundle(program: ProgramSource, root: string): Promise<Uint8Array> {
  const output = await Deno.makeTempFile({ prefix: "ghub-build-", suffix: ".js" });
  try {
    // Not --keep-names, which costs a call for each closure that a program makes.
    const args = ["bundle", "--platform", "deno", "--minify", "--output", output, program.entry];
    const result = await deno(args, { timeoutMs: BUNDLE_TIMEOUT_MS, cwd: root });
    if (!result.success) throw new Error(`Cannot bundle ${program.name}:\n${result.stderr.trim()}`);
    const code = await Deno.readTextFile(output);
    return new TextEncoder().encode(REQUIRE + code);
  } finally {
    await Deno.remove(output);
  }
}
