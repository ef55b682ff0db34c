/**
 * gclient: reads the command line, runs, sets the exit code.
 *
 * @module
 */
import { runProgram } from "../shared/cli/program.ts";
import { program } from "./program.ts";

if (import.meta.main) Deno.exit(await runProgram(program, Deno.args));
