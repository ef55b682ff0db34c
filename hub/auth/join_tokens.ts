/**
 * The join tokens of a state folder. Any of them lets a server in:
 *
 *     join.token        the one to give to new servers; made if it is not there
 *     join-….token      older ones that are still good, until somebody removes their file
 *
 * Whoever removes or renames `join.token` asks for a new one. Servers that have the old one must not
 * all be locked out by that: it stays good, as `join-2026-11-30.token`, if the hub knew it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { lstatOf } from "../../shared/files/file_info.ts";
import { openToken, readTokenFile } from "./token_file.ts";

const FILE = "join.token";
const OLDER = /^join-[\w.-]{1,100}\.token$/;
/** More are not read. */
const MAX_JOIN_TOKENS = 16;
const OWNER_ONLY = 0o600;

/**
 * Reads them, and makes one if there is none to give to new servers.
 *
 * @param known Those that were in force before: of them, the first is that of `join.token`.
 * @returns The token of `join.token` first.
 * @throws {Error} If a file cannot be used or written.
 */
export function joinTokens(stateDir: string, known: readonly string[]): string[] {
  const path = `${stateDir}/${FILE}`;
  const older = olderTokens(stateDir);
  const [last] = known;
  if (last !== undefined && lstatOf(path) === undefined && !older.includes(last)) {
    const kept = keep(stateDir, last);
    older.push(last);
    getLogger(["hub", "auth"]).warn(
      "{path} was removed: a new join token is made. The old one stays good until {kept} is removed",
      { path, kept },
    );
  }
  return [...new Set([openToken(path), ...older])];
}

function olderTokens(stateDir: string): string[] {
  return [...Deno.readDirSync(stateDir)].map(({ name }) => name).filter((name) => OLDER.test(name))
    .sort().slice(-MAX_JOIN_TOKENS + 1)
    .map((name) => readTokenFile(`${stateDir}/${name}`));
}

/** Writes a token that has no file any more. */
function keep(stateDir: string, token: string): string {
  const day = new Date().toISOString().slice(0, 10);
  for (let n = 1;; n++) {
    const path = `${stateDir}/join-${day}${n === 1 ? "" : `-${n}`}.token`;
    try {
      Deno.writeTextFileSync(path, `${token}\n`, { createNew: true, mode: OWNER_ONLY });
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists) || n === MAX_JOIN_TOKENS) throw error;
    }
  }
}
