/**
 * Enrolled servers: each has a token of its own, which is good for its own name. One small file for
 * each, in the hub's state folder, so that adding one cannot spoil another:
 *
 *     STATE/enrolled/edge-1.yaml    an auth file (auth_file.ts) with this one server; only hashes
 *
 * `ghub enroll` writes them, the hub reads them within a second. They are valid whether or not there is
 * an auth file.
 *
 * @module
 */
import { folderFault } from "../../shared/files/modes.ts";
import { replaceFile } from "../../shared/files/replace_file.ts";
import { readRulesFile } from "../../shared/files/watched_file.ts";
import { parseAuthFile, type ServerEntry, type TokenHash } from "./auth_file.ts";

/** More are not read. */
export const MAX_ENROLLED = 20_000;
/** The largest file of one. It is parsed in one go. */
const MAX_ENTRY_BYTES = 16 * 1024;
const EXTENSION = ".yaml";

/** The message to a server whose token the hub does not know, or no longer knows. */
export const NOT_ENROLLED = "Wrong token: no server is enrolled with this token (was it taken " +
  "back by ghub unenroll?): ghub enroll NAME makes a new one";

/** The folder of their files. */
export function enrolledFolder(stateDir: string): string {
  return `${stateDir}/enrolled`;
}

function fileOf(stateDir: string, name: string): string {
  return `${enrolledFolder(stateDir)}/${name}${EXTENSION}`;
}

/** A server as it is written: tokens, and what may be claimed with them. */
export interface Enrolment {
  readonly name: string;
  readonly tokens: readonly TokenHash[];
  readonly labels: Readonly<Record<string, string>>;
}

/** Names of those who are enrolled. The folder need not be there. */
export function enrolledNames(stateDir: string): string[] {
  const folder = enrolledFolder(stateDir);
  try {
    const fault = folderFault(Deno.statSync(folder), folder);
    if (fault !== undefined) throw new Error(`Cannot use ${folder}: ${fault}`);
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
      .filter((name) => name.endsWith(EXTENSION) && !name.startsWith("."))
      .map((name) => name.slice(0, -EXTENSION.length));
    return names.sort().slice(0, MAX_ENROLLED);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** One of them, as its file has it. */
export interface Enrolled {
  readonly entry: ServerEntry;
  readonly text: string;
}

/**
 * Reads one.
 *
 * @param before What it was when it was last read: who has not changed is not parsed again.
 * @throws {Error} That says what is wrong with its file.
 */
export function readEnrolled(stateDir: string, name: string, before?: Enrolled): Enrolled {
  const path = fileOf(stateDir, name);
  const text = readRulesFile(path, { what: "enrolment", maxBytes: MAX_ENTRY_BYTES });
  return text === before?.text ? before : { entry: parse(path, name, text), text };
}

function parse(path: string, name: string, text: string): ServerEntry {
  const { servers: [entry, ...more], operators, issuers } = parseAuthFile(path, text);
  if (entry?.id !== name || more.length + operators.length + issuers.length > 0) {
    throw new Error(`Cannot use ${path}: it must hold the server "${name}" and nothing else`);
  }
  return entry;
}

/**
 * Writes one, in the place of an older file of it.
 *
 * @throws {Error} If the name cannot be one, or the file cannot be written.
 */
export function writeEnrolled(stateDir: string, enrolment: Enrolment): void {
  const { name } = enrolment;
  const path = fileOf(stateDir, name);
  const text = textOf(enrolment);
  parse(path, name, text);
  Deno.mkdirSync(enrolledFolder(stateDir), { recursive: true, mode: 0o755 });
  replaceFile(path, text, { mode: 0o644 });
}

/** @returns Whether it was there. */
export function removeEnrolled(stateDir: string, name: string): boolean {
  try {
    Deno.removeSync(fileOf(stateDir, name));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** JSON is YAML, and quotes what must be quoted. */
function textOf({ name, tokens, labels }: Enrolment): string {
  const lines = [
    "# Made by ghub enroll. The hub reads it within a second.",
    "version: 1",
    "servers:",
    `  - id: ${JSON.stringify(name)}`,
    "    tokens:",
    ...tokens.map(({ sha256, expiresAtMs }) => {
      const until = expiresAtMs === undefined
        ? ""
        : `, expires: ${JSON.stringify(moment(expiresAtMs))}`;
      return `      - { sha256: "sha256:${sha256}"${until} }`;
    }),
    `    names: ${JSON.stringify([name, `${name}/*`])}`,
    ...(Object.keys(labels).length === 0 ? [] : [
      "    labels:",
      ...Object.entries(labels).map(([key, value]) =>
        `      ${JSON.stringify(key)}: ${JSON.stringify([value])}`
      ),
    ]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** As an auth file has it: to the second. */
function moment(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
