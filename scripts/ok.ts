/**
 * `deno task ok`: all that must hold before a commit, cheapest first. It ends at what does not hold.
 *
 * @module
 */
import { defineCommand } from "../shared/cli/command.ts";
import { runScript } from "./script.ts";

const STEPS: readonly (readonly string[])[] = [
  ["fmt", "--check"],
  ["lint"],
  // The examples of doc comments and of this page have types too.
  ["check", "--doc", ".", "docs/embedding.md"],
  ["doc", "--lint", "hub/mod.ts", "server/mod.ts", "client/mod.ts"],
  ["task", "pb", "--check"],
  ["task", "test"],
];

const ok = defineCommand({
  name: "ok",
  summary: "Everything that must hold before a commit",
  description:
    "Everything that must hold before a commit, one after the other. It ends at the first step that fails.",
  notes: `Steps:\n${STEPS.map((step) => `  deno ${step.join(" ")}`).join("\n")}`,
  run,
});

async function run(): Promise<number> {
  for (const step of STEPS) {
    const child = new Deno.Command(Deno.execPath(), { args: [...step] }).spawn();
    const { code } = await child.status;
    if (code !== 0) return code;
  }
  return 0;
}

await runScript(ok);
