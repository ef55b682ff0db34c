/**
 * `deno task readcert FILE`: what a certificate file says, in a few lines. `ghub cert read` does the
 * same without this repository.
 *
 * @module
 */
import { summaryOfFile } from "../shared/tls/summary.ts";
import { readArguments, runScript } from "./arguments.ts";
import { UsageError } from "../shared/cli/usage_error.ts";

const USAGE = `
Usage: deno task readcert [--json] [FILE]

Shows what the certificates of a PEM file (test.crt if none is named) say.

  --json   One line of JSON for each certificate
`;

/** Prints the certificates. Returns the exit code. */
async function readcert(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(USAGE, args, {
    json: { type: "boolean", default: false },
  });
  if (positionals.length > 1) throw new UsageError(`Unexpected argument "${positionals[1]}"`);
  console.log(await summaryOfFile(positionals[0] ?? "test.crt", { json: values.json }));
  return 0;
}

await runScript(readcert);
