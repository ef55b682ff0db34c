/**
 * A program and all that it imports as one JavaScript module: what runs in every form of the
 * executables, and nothing else does.
 *
 * @module
 */
import { withLazyNode } from "./lazy_node.ts";
import type { ProgramSource } from "./programs.ts";
import { deno } from "./tool.ts";

/** Some seconds of a processor; where four files of tests run as well, minutes have been seen. */
export const BUNDLE_TIMEOUT_MS = 10 * 60_000;
/**
 * Keeps statements and names. Lines, and not one of a million characters: then the place in a stack trace
 * is one that people find.
 */
const WITHOUT_WHITE_SPACE = [
  ...["--minify-whitespace", "--line-limit=120", "--format=esm", "--target=esnext"],
  "--log-level=warning",
];

/**
 * Bundles the program's entry.
 *
 * Without `--minify`, which (2.9.6) inlines a `using x = f()` whose `x` is used once in the next
 * statement, and forgets to dispose of it. White space and comments alone are taken out:
 * docs/decisions/0033-without-white-space.md.
 */
export async function bundle(program: ProgramSource, root: string): Promise<Uint8Array> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-build-" });
  const run = async (args: readonly string[]) => {
    const result = await deno(args, { timeoutMs: BUNDLE_TIMEOUT_MS, cwd: root });
    if (!result.success) {
      const late = result.timedOut ? ` in ${BUNDLE_TIMEOUT_MS / 60_000} minutes` : "";
      throw new Error(`Cannot bundle ${program.name}${late}:\n${result.stderr.trim()}`);
    }
  };
  try {
    const whole = `${dir}/whole.js`;
    await run(["bundle", "--platform", "deno", "--output", whole, program.entry]);
    if (program.lazyNode) {
      await Deno.writeTextFile(whole, withLazyNode(await Deno.readTextFile(whole)));
    }
    const output = `${dir}/main.js`;
    await run(["run", "-A", "esbuild", whole, `--outfile=${output}`, ...WITHOUT_WHITE_SPACE]);
    return new TextEncoder().encode(inAscii(await Deno.readTextFile(output)));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/**
 * Only comments have other characters, strings have escapes already. With a single one V8 keeps two
 * bytes for each character of the program, and Deno makes a copy to get there.
 */
export function inAscii(code: string): string {
  return code.replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
