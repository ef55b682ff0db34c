/**
 * `deno task ok`: all that must hold before a commit, cheapest first. It ends at what does not hold.
 *
 * @module
 */
import { readArguments, runScript } from "./arguments.ts";
import { UsageError } from "../shared/cli/usage_error.ts";

const STEPS: readonly (readonly string[])[] = [
  ["fmt", "--check"],
  ["lint"],
  // The examples of doc comments and of this page have types too.
  ["check", "--doc", ".", "docs/embedding.md"],
  ["doc", "--lint", "hub/mod.ts", "server/mod.ts", "client/mod.ts"],
  ["task", "pb", "--check"],
  ["task", "test"],
];

const USAGE = `
Usage: deno task ok

Everything that must hold before a commit, one after the other; it ends at the first that fails:

${STEPS.map((step) => `  deno ${step.join(" ")}`).join("\n")}
`;

async function ok(args: readonly string[]): Promise<number> {
  const { positionals } = readArguments(USAGE, args, {});
  if (positionals.length > 0) throw new UsageError(`Unexpected argument "${positionals[0]}"`);
  for (const step of STEPS) {
    const child = new Deno.Command(Deno.execPath(), { args: [...step] }).spawn();
    const { code } = await child.status;
    if (code !== 0) return code;
  }
  return 0;
}

await runScript(ok);
