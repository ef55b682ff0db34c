/**
 * The credential that a server shows to the hub.
 *
 * @module
 */
import { secretFault } from "../../shared/files/modes.ts";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

/** Where a token comes from; `file` wins. */
export interface TokenSource {
  readonly file?: string | undefined;
  /** The token itself, from the environment. */
  readonly value?: string | undefined;
}

/** A token is a line; a larger file is another one. */
const MAX_BYTES = 64 * 1024;

/** What may stand in an Authorization header. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

/**
 * Reads the token. Called for each dial, so that a new one needs no restart.
 *
 * @returns `undefined` if there is no source.
 * @param flag Names the file in errors.
 * @throws {UsageError} If the source holds none, or others may read it. The error does not show what it holds.
 */
export async function readToken(
  { file, value }: TokenSource,
  flag = "--token-file",
): Promise<string | undefined> {
  if (file === undefined) {
    return value === undefined || value === "" ? undefined : check(value, "GSERVER_TOKEN");
  }
  try {
    const info = await Deno.stat(file);
    const fault = secretFault(info, file);
    if (fault !== undefined) throw new Error(fault);
    if (info.size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
    return check(await Deno.readTextFile(file), `${flag} ${file}`);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`Cannot read ${flag} ${file}: ${whyUnusable(error)}`, { cause: error });
  }
}

function check(text: string, from: string): string {
  const token = text.trim();
  if (TOKEN.test(token)) return token;
  throw new UsageError(`${from} holds no token`, {
    hint: "It must hold one token and nothing else",
  });
}
