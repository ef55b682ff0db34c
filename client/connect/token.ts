/**
 * The operator token. It never stands in the command line, where other users can see it, and never
 * in an error or a log.
 *
 * @module
 */
import { secretFault } from "../../shared/files/modes.ts";
import { UsageError } from "../../shared/cli/program.ts";
import type { Env } from "../../shared/cli/command.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

/** Holds the token itself. */
export const TOKEN_ENV = "GCLIENT_TOKEN";

/** A token is a line; a larger file is another one. */
const MAX_BYTES = 64 * 1024;

/** What may stand in a Bearer token (RFC 6750 §2.1), and nothing that could break a header. */
const TOKEN = /^[\x21-\x7e]+$/;

/**
 * The token of the file, else of the environment.
 *
 * @throws {UsageError} If there is one, but it cannot be used.
 */
export async function readToken(file: string | undefined, env: Env): Promise<string | undefined> {
  if (file === undefined) {
    const token = env[TOKEN_ENV]?.trim();
    return token === undefined || token === "" ? undefined : check(token, TOKEN_ENV);
  }
  let text: string;
  try {
    const info = await Deno.stat(file);
    if (info.isDirectory) throw new UsageError(`Token file "${file}" is a directory`);
    if (secretFault(info, file) !== undefined) {
      throw new UsageError(`Token file "${file}" can be read or written by others`, {
        hint: `chmod 600 ${file}`,
      });
    }
    if (info.size > MAX_BYTES) {
      throw new UsageError(`Token file "${file}" is too large for a token`);
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

function check(token: string, where: string): string {
  if (token === "") throw new UsageError(`${where} is empty`);
  if (!TOKEN.test(token)) throw new UsageError(`${where} holds more than one line, or no token`);
  return token;
}
