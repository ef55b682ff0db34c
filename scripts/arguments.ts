/**
 * The command line of a script: `node:util`'s parser, with help and with errors as people like them.
 * The three programs have more to offer (`shared/cli`); a script has a few flags.
 *
 * @module
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { UsageError } from "../shared/cli/usage_error.ts";

type Flags = NonNullable<ParseArgsConfig["options"]>;

/**
 * Parses `args`. `--help` prints `usage` and ends the script.
 *
 * @throws {UsageError} If a flag is unknown or lacks its value.
 */
export function readArguments<const T extends Flags>(
  usage: string,
  args: readonly string[],
  options: T,
) {
  const help = { help: { type: "boolean", short: "h" } } as const;
  try {
    const config = { args: [...args], options: { ...options, ...help }, allowPositionals: true };
    const parsed = parseArgs(config as { args: string[]; options: T; allowPositionals: true });
    if ((parsed.values as { help?: boolean }).help === true) {
      console.log(usage.trim());
      Deno.exit(0);
    }
    return parsed;
  } catch (error) {
    // The rest of Node's sentence explains how to pass a positional that begins with a dash.
    const [sentence = ""] = (error as Error).message.split(". ");
    throw new UsageError(sentence, { cause: error });
  }
}

/** Runs a script's main function and ends the process with its exit code. */
export async function runScript(main: (args: readonly string[]) => Promise<number>): Promise<void> {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}
