/**
 * A script: a program of one command, which `deno task NAME` runs.
 *
 * @module
 */
import type { Command } from "../shared/cli/command.ts";
import type { Options } from "../shared/cli/option.ts";
import { type RunOverrides, runProgram } from "../shared/cli/program.ts";
import { VERSION } from "../shared/version.ts";

/** Runs a script by the process's command line, and ends the process with its exit code. */
export async function runScript<O extends Options>(
  command: Command<O>,
  overrides: RunOverrides = {},
): Promise<never> {
  const program = {
    ...command as Command,
    name: `deno task ${command.name}`,
    envPrefix: `GHUB_${command.name.toUpperCase()}`,
    version: VERSION,
    commands: [],
  };
  Deno.exit(await runProgram(program, Deno.args, overrides));
}
