/**
 * Runs a command of a program in the test's own process.
 *
 * @module
 */
import type { Program } from "../../shared/cli/command.ts";
import { type Output, runProgram } from "../../shared/cli/program.ts";

/** How a command ended, and all that it printed on both outputs. */
export interface RanHere {
  readonly code: number;
  readonly out: string;
}

/** @param env Set in addition to a home that is nowhere. */
export async function runHere(
  program: Program,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RanHere> {
  let out = "";
  const output: Output = {
    isTerminal: false,
    color: false,
    write: (text) => Promise.resolve(void (out += text)),
  };
  const code = await runProgram(program, args, {
    env: { HOME: "/nowhere", ...env },
    io: { stdout: output, stderr: output },
    signal: new AbortController().signal,
  });
  return { code, out };
}
