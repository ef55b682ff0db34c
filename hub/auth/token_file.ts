/**
 * A secret in a file: made at the first start and kept, readable by its owner alone.
 * docs/protocol.md §12.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { readSecretFile } from "../../shared/files/secret_file.ts";

/** 256 bits: as text, 43 characters. */
const TOKEN_BYTES = 32;
/** A token that a person wrote may be of any form, but not so short that it could be guessed. */
export const MIN_TOKEN_LENGTH = 32;
const TOKEN = new RegExp(`^[!-~]{${MIN_TOKEN_LENGTH},512}$`);
const MAX_FILE_BYTES = 1024;
const OWNER_ONLY = 0o600;

/** What a token must look like, for the end of error messages. */
export const TOKEN_RULE: string = `one line of ${MIN_TOKEN_LENGTH} to 512 visible ASCII characters`;

/** Whether a text can be a token. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** A new secret, as base64url. */
export function randomToken(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/**
 * The token in a file; if there is none, makes one. Two hubs that start at the same time agree
 * on one token.
 *
 * @throws {Error} If others may read the file, or it holds no token, or the folder is not writable.
 */
export function openToken(path: string): string {
  return openSecret(path, {
    what: "token file",
    make: () => randomToken() + "\n",
    read: readToken,
    maxBytes: MAX_FILE_BYTES,
  });
}

/**
 * The token in a file that is there.
 *
 * @throws {Error} If others may read the file, or it holds no token.
 */
export function readTokenFile(path: string): string {
  try {
    return readToken(readSecretFile(path, MAX_FILE_BYTES));
  } catch (cause) {
    throw new Error(`Cannot use token file ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Options of {@linkcode openSecret}. */
export interface SecretOptions<T> {
  /** What it is, for messages: `token file`. */
  readonly what: string;
  /** What a new file holds. */
  readonly make: () => string;
  /** @throws {Error} If a text cannot be used. */
  readonly read: (text: string) => T;
  readonly maxBytes: number;
}

/**
 * The secret in a file; if there is none, makes one. Two hubs that start at the same time agree.
 *
 * @throws {Error} If others may read the file, or it cannot be used, or the folder is not writable.
 */
export function openSecret<T>(path: string, { what, make, read, maxBytes }: SecretOptions<T>): T {
  const open = () => {
    try {
      return read(readSecretFile(path, maxBytes));
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) throw cause;
      throw new Error(`Cannot use ${what} ${path}: ${messageOf(cause)}`, { cause });
    }
  };
  try {
    return open();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  // Written aside and linked: nobody ever reads half a secret, and the first of two wins.
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    Deno.writeTextFileSync(temporary, make(), { createNew: true, mode: OWNER_ONLY });
    try {
      Deno.linkSync(temporary, path);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    } finally {
      Deno.removeSync(temporary);
    }
  } catch (cause) {
    throw new Error(`Cannot write ${what} ${path}: ${messageOf(cause)}`, { cause });
  }
  return open();
}

function readToken(text: string): string {
  const token = text.trim();
  if (isToken(token)) return token;
  throw new Error(`it must hold ${TOKEN_RULE}; remove it, and the hub makes a new one`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
