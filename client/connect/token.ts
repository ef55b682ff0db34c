/**
 * The operator token. It never stands in the command line, where other users can see it, and never
 * in an error or a log.
 *
 * @module
 */
import { secretFault } from "../../shared/files/modes.ts";
import { UsageError } from "../../shared/cli/program.ts";
import { type ConnectionValues, TOKEN_ENV } from "./connection_options.ts";
import type { Env } from "../../shared/cli/command.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

/** A token is a line; a larger file is another one. */
const MAX_BYTES = 64 * 1024;

/** What may stand in a Bearer token (RFC 6750 §2.1), and nothing that could break a header. */
const TOKEN = /^[\x21-\x7e]+$/;

const TOKEN_HINT = "Give the token alone, in one line";

/** Where a token may be. */
export type TokenValues = Pick<ConnectionValues, "tokenFile" | "tokenCommand">;

/** A command that asks its user for a password may take this long. */
const COMMAND_MS = 60_000;

/**
 * The token of the file, else of the environment, else of the command.
 *
 * @throws {UsageError} If there is one, but it cannot be used.
 */
export async function readToken(
  { tokenFile, tokenCommand }: TokenValues,
  env: Env,
): Promise<string | undefined> {
  if (tokenFile !== undefined) return await readTokenFile(tokenFile);
  const token = env[TOKEN_ENV]?.trim();
  if (token !== undefined && token !== "") return check(token, TOKEN_ENV);
  return tokenCommand.length === 0 ? undefined : await askCommand(tokenCommand);
}

async function readTokenFile(file: string): Promise<string> {
  let text: string;
  try {
    const info = await Deno.stat(file);
    if (info.isDirectory) {
      throw new UsageError(`Token file "${file}" is a directory`, {
        hint: "Name the file in it that holds the token",
      });
    }
    if (secretFault(info, file) !== undefined) {
      throw new UsageError(`Token file "${file}" can be read or written by others`, {
        hint: `chmod 600 ${file}`,
      });
    }
    if (info.size > MAX_BYTES) {
      throw new UsageError(`Token file "${file}" is too large for a token`, { hint: TOKEN_HINT });
    }
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof Deno.errors.NotCapable) {
      // Devices such as /dev/stdin. Deno's own words would ask for a flag that gclient does not have.
      throw new UsageError(`Cannot read token file "${file}": it must be a file or a pipe`, {
        hint: `${TOKEN_ENV} can hold the token itself`,
        cause: error,
      });
    }
    throw new UsageError(`Cannot read token file "${file}": ${whyUnusable(error)}`, {
      cause: error,
    });
  }
  return check(text.trim(), `Token file "${file}"`);
}

/** Runs it: it may ask its user something at the terminal. */
async function askCommand([program = "", ...args]: readonly string[]): Promise<string> {
  const where = `Token command "${program}"`;
  try {
    const { success, code, stdout } = await new Deno.Command(program, {
      args,
      stdin: "inherit",
      stdout: "piped",
      stderr: "inherit",
      signal: AbortSignal.timeout(COMMAND_MS),
    }).output();
    if (!success) {
      throw new UsageError(`${where} ended with exit code ${code}`, {
        hint: "Run it by itself to see why",
      });
    }
    if (stdout.length > MAX_BYTES) throw new UsageError(`${where} prints too much for a token`);
    return check(new TextDecoder().decode(stdout).trim(), where);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`Cannot run token command "${program}": ${whyUnusable(error)}`, {
      cause: error,
    });
  }
}

function check(token: string, where: string): string {
  if (token === "") throw new UsageError(`${where} is empty`, { hint: TOKEN_HINT });
  if (!TOKEN.test(token)) {
    throw new UsageError(`${where} holds more than one line, or no token`, { hint: TOKEN_HINT });
  }
  return token;
}
