/**
 * Metadata that a user sends along:
 *
 *     -H key=value        or key: value
 *     -H 'key=${NAME}'    with the environment variable in its place, so that no command line shows it
 *     -H @FILE            one a line, blank lines and those that begin with # left out
 *
 * @module
 */
import type { Env } from "../../shared/cli/command.ts";
import { UsageError } from "../../shared/cli/program.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

/** A metadata entry. */
export interface Header {
  readonly key: string;
  readonly value: string;
  /** Its value stood on no command line: `-v` does not show it. @default false */
  readonly hidden?: boolean;
}

/** What `-H` says: an entry, or the file that has some. */
export type HeaderSource = Header | { readonly file: string };

/** A larger file of headers is refused: a hub takes 32 KiB of metadata. */
export const MAX_HEADER_FILE_BYTES = 64 << 10;

const HEADER = /^([0-9a-zA-Z_.-]+)[=:]\s*(.*)$/s;
/** `${NAME}` in a value. */
const VARIABLE = /\$\{([A-Za-z_]\w*)\}/g;
/** Keys whose values are secrets by what they are called. */
const SECRET_KEY =
  /auth|token|cookie|secret|passw|api-?key|access-?key|credential|signature|session/;
/** Has `-H` of the environment, as `shared/cli/values.ts` names it. */
const HEADER_ENV = "GCLIENT_HEADER";

/** Whether the key says that its value is a secret. */
export function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key);
}

/** Reads one `-H`. A value that has a variable in it is checked when that is known. */
export function parseHeader(text: string): HeaderSource {
  if (text.startsWith("@")) return { file: text.slice(1) };
  const [, name, value] = HEADER.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new UsageError(`"${text.split(/[=:]/)[0]}" is not a header`, {
      hint: "Write -H key=value",
    });
  }
  const key = name.toLowerCase();
  if (key === "authorization") {
    throw new UsageError('The header "authorization" is for the operator token alone', {
      hint: "Use --token-file or GCLIENT_TOKEN: each user of this machine can read command lines",
    });
  }
  if (key.startsWith("grpc-")) {
    throw new UsageError(`"${key}" is gRPC's own header`, { hint: "Leave it out" });
  }
  if (value.search(VARIABLE) < 0) checkValue(key, value);
  return { key, value };
}

function checkValue(key: string, value: string): void {
  if (key.endsWith("-bin")) {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 === 1) {
      throw new UsageError(`The value of "${key}" is not base64`, {
        hint: "Convert it, as with base64 -w0",
      });
    }
  } else if (!/^[\x20-\x7e]*$/.test(value)) {
    throw new UsageError(`The value of "${key}" has characters that metadata cannot carry`, {
      hint: `Send them as base64 under ${key}-bin`,
    });
  }
}

/**
 * All entries, in their order.
 *
 * @throws {UsageError} If a file cannot be read, or a variable is not set.
 */
export async function readHeaders(sources: readonly HeaderSource[], env: Env): Promise<Header[]> {
  const headers: Header[] = [];
  for (const source of sources) {
    const isFile = "file" in source;
    const found = isFile ? await readHeaderFile(source.file) : [source];
    headers.push(...found.map((header) => {
      const { key, value } = expand(header, env);
      // A variable made another value of it, or the environment had all of it.
      const isOfEnv = value !== header.value || env[HEADER_ENV]?.includes(value) === true;
      return { key, value, hidden: isFile || isOfEnv };
    }));
  }
  return headers;
}

function expand({ key, value }: Header, env: Env): Header {
  const expanded = value.replace(VARIABLE, (_, name: string) => {
    const found = env[name];
    if (found === undefined) {
      throw new UsageError(`-H ${key} needs the environment variable ${name}, which is not set`, {
        hint: `Set ${name}, or leave the header out`,
      });
    }
    return found;
  });
  checkValue(key, expanded);
  return { key, value: expanded };
}

async function readHeaderFile(file: string): Promise<Header[]> {
  let text: string;
  try {
    const { size, isDirectory } = await Deno.stat(file);
    if (isDirectory) throw new Error("it is a directory");
    if (size > MAX_HEADER_FILE_BYTES) {
      throw new Error(`it has more than ${MAX_HEADER_FILE_BYTES} bytes`);
    }
    text = await Deno.readTextFile(file);
  } catch (error) {
    throw new UsageError(`Cannot read -H @${file}: ${whyUnusable(error)}`, { cause: error });
  }
  const headers: Header[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    try {
      const header = parseHeader(line.trim());
      if ("file" in header) throw new UsageError("A file of headers cannot name another one");
      headers.push(header);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`-H @${file}, line ${i + 1}: ${error.message}`, {
        ...(error.hint !== undefined && { hint: error.hint }),
        cause: error,
      });
    }
  }
  return headers;
}
