/**
 * gclient: reads the command line, runs, sets the exit code.
 *
 * @module
 */
import { runProgram } from "../shared/cli/program.ts";
import { trustDefaultAuthorities } from "../shared/tls/default_authorities.ts";
import { program } from "./program.ts";

if (import.meta.main) {
  trustDefaultAuthorities();
  Deno.exit(await runProgram(program, Deno.args, { dropped: ["run", "write"] }));
}
