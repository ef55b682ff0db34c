/**
 * gclient: reads the command line, runs, sets the exit code.
 *
 * Scripts start it often. So the version is told before anything else is loaded, and all else is behind
 * an `import()`: what only some commands need is loaded by these alone (`scripts/build/lazy_node.ts`).
 *
 * @module
 */
import { trustDefaultAuthorities } from "../shared/tls/default_authorities.ts";
import { VERSION } from "../shared/version.ts";

if (import.meta.main) {
  if (Deno.args.length === 1 && Deno.args[0] === "--version") {
    Deno.stdout.writeSync(new TextEncoder().encode(`${VERSION}\n`));
    Deno.exit(0);
  }
  trustDefaultAuthorities();
  const { runProgram } = await import("../shared/cli/program.ts");
  const { program } = await import("./program.ts");
  Deno.exit(await runProgram(program, Deno.args, { dropped: ["run", "write"] }));
}
