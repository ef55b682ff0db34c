/**
 * `ghub auth`: makes tokens, hashes them, and checks and tries an auth file before it is put in place.
 *
 * A secret comes from a prompt, a pipe or a file and goes into a file: it never stands in a command
 * line, which all users of a machine can read, nor on the screen.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { atOnce } from "../../shared/async/steps.ts";
import { type Output, UsageError } from "../../shared/cli/program.ts";
import { defineCommand } from "../../shared/cli/command.ts";
import { isToken, randomToken, TOKEN_RULE } from "../auth/token_file.ts";
import type { AuthFile } from "../auth/auth_file.ts";
import { dryRunCommand } from "./auth_dry_run.ts";
import { asHubMeans, type HubAround, hubAround, hubOptions } from "./judged_as_hub.ts";
import { loadAuthFile } from "../auth/watched_auth.ts";
import { readSecretFile } from "../../shared/files/secret_file.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

/** A secret that is longer was not meant. */
const MAX_INPUT_BYTES = 4096;
const OWNER_ONLY = 0o600;

const CTRL_C = 3;
const CTRL_D = 4;
const BACKSPACES: readonly number[] = [8, 127];
const ENTERS: readonly number[] = [10, 13];

const check = defineCommand({
  name: "check",
  summary: "Tells what is wrong with an auth file, or what it means",
  description: "Reads an auth file and the key files that it names, as the hub does, and also " +
    "who is enrolled. Nothing is changed and no hub is asked.",
  examples: ["ghub auth check auth.yaml"],
  notes: "Exit codes: 0 it can be used, 1 it cannot.",
  args: [{ name: "file", summary: "The auth file", complete: "file" }],
  options: hubOptions,
  run: async ({ args: [path = ""], options, io, env }) => {
    const { file } = atOnce(loadAuthFile(path));
    const around = hubAround(options, env);
    await io.stdout.write(describe(path, file, around));
    const warnings = [...around.faults, ...authWarnings(asHubMeans(file, around))];
    for (const warning of warnings) await io.stderr.write(`warning: ${warning}\n`);
    return 0;
  },
});

const hash = defineCommand({
  name: "hash",
  summary: "Hashes a token for an auth file",
  description:
    "Reads a token from a file, a prompt or a pipe and writes the line for an auth file.",
  examples: ["ghub auth hash edge-1.token", "ghub auth hash"],
  args: [{ name: "file", summary: "The token's file", optional: true, complete: "file" }],
  run: async ({ args: [path], io }) => {
    const token = path === undefined ? await readSecret(io.stderr) : readFile(path);
    if (!isToken(token)) throw new UsageError(`A token must be ${TOKEN_RULE}`);
    await io.stdout.write(`${hashOf(token)}\n`);
    return 0;
  },
});

const token = defineCommand({
  name: "token",
  summary: "Makes a token: into a file, and its hash for an auth file",
  description: "Writes a new random token into a file that only you can read, and its hash to " +
    "standard output. Carry the file to the server or operator, the hash into the auth file.",
  examples: ["ghub auth token edge-1.token"],
  args: [{ name: "file", summary: "The file to write; it must not exist yet", complete: "file" }],
  run: async ({ args: [path = ""], io }) => {
    await io.stdout.write(`${makeTokenFile(path, "Name another file")}\n`);
    return 0;
  },
});

/** The group of commands. */
export const authCommand = defineCommand({
  name: "auth",
  summary: "Makes tokens and checks auth files",
  commands: [check, dryRunCommand, hash, token],
});

/**
 * Writes a new token into a new file.
 *
 * @param hint What to do if the file is there already.
 * @returns Its hash, as an auth file has it.
 * @throws {UsageError} If it is there already.
 * @throws {Error} If it cannot be written.
 */
export function makeTokenFile(path: string, hint: string): string {
  const made = randomToken();
  try {
    Deno.writeTextFileSync(path, `${made}\n`, { createNew: true, mode: OWNER_ONLY });
  } catch (cause) {
    const what = `Cannot write token file ${path}`;
    if (cause instanceof Deno.errors.AlreadyExists) {
      throw new UsageError(`${what}: it exists already, and may be in use`, { hint, cause });
    }
    throw new Error(`${what}: ${(cause as Error).message}`, { cause });
  }
  return hashOf(made);
}

function hashOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** Enrolled servers that are named; more are counted. */
const MAX_NAMED = 20;

function describe(
  path: string,
  { allowLoopback, issuers, servers, operators }: AuthFile,
  { enrolled, trustLoopback }: HubAround,
): string {
  const lines = [
    `${path} can be used.`,
    !allowLoopback
      ? "Nobody gets in without a credential, not even from the hub's own machine."
      : trustLoopback
      ? "From the hub's own machine, everybody may do everything without a credential."
      : "Nobody gets in without a credential: the file lets the hub's own machine in, but to come " +
        "from loopback counts for nothing here (--trust-loopback).",
  ];
  if (enrolled.length > 0) {
    const named = enrolled.slice(0, MAX_NAMED).map(({ id }) => id).join(" ");
    const more = enrolled.length > MAX_NAMED ? ` and ${enrolled.length - MAX_NAMED} more` : "";
    lines.push(`enrolled, with tokens of their own: ${named}${more}`);
  }
  for (const { id, issuer, algorithms } of issuers) {
    lines.push(`issuer ${id}: ${issuer}, ${algorithms.join(" ")}`);
  }
  for (const { id, names, labels } of servers) {
    const claims = labels.map(({ key, values }) =>
      `${key.pattern}=${values.map(({ pattern }) => pattern).join("|")}`
    );
    lines.push(
      `server ${id}: may be ${names.join(" ")}${claims.length ? ` with ${claims.join(" ")}` : ""}`,
    );
  }
  for (const { id, rules } of operators) {
    lines.push(`operator ${id}:${rules.length === 0 ? " may call nothing" : ""}`);
    for (const { effect, servers, labels, methods } of rules) {
      const text = (globs: readonly { pattern: string }[]) =>
        globs.map(({ pattern }) => pattern).join(" ");
      const where = [...labels].map(([key, values]) => ` ${key}=${text(values)}`).join("");
      lines.push(`  ${effect} ${text(methods)} of ${text(servers)}${where}`);
    }
  }
  return lines.join("\n") + "\n";
}

/** What is allowed, and yet hardly meant. */
export function authWarnings({ servers, operators }: AuthFile): string[] {
  const now = Date.now();
  const expired = [...servers, ...operators].filter(({ tokens }) =>
    tokens.some(({ expiresAtMs = Infinity }) => expiresAtMs <= now)
  );
  const byLabelAlone = operators.filter(({ rules }) =>
    rules.some(({ effect, labels }) => effect === "deny" && labels.size > 0)
  );
  return [
    ...expired.map(({ id }) => `"${id}" has a token that has expired`),
    ...byLabelAlone.map(({ id }) =>
      `"${id}" has a deny rule with labels: a server that leaves the label out escapes it; ` +
      "deny by name"
    ),
  ];
}

/** The path is not shown: it could be the token itself, typed in the wrong place. */
function readFile(path: string): string {
  try {
    return readSecretFile(path, MAX_INPUT_BYTES).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new UsageError("There is no such token file");
    throw new Error(`Cannot read the token file: ${whyUnusable(error)}`);
  }
}

/** One line from a prompt that shows nothing, or from a pipe. */
async function readSecret(prompt: Output): Promise<string> {
  if (!Deno.stdin.isTerminal()) return (await readAll()).trim();
  // Before the prompt: what somebody types as soon as it stands there must not be shown either.
  Deno.stdin.setRaw(true);
  try {
    await prompt.write("Token: ");
    return await readHidden();
  } finally {
    Deno.stdin.setRaw(false);
    await prompt.write("\n");
  }
}

async function readAll(): Promise<string> {
  const buffer = new Uint8Array(MAX_INPUT_BYTES + 1);
  let length = 0;
  while (length < buffer.length) {
    const n = await Deno.stdin.read(buffer.subarray(length));
    if (n === null) return new TextDecoder().decode(buffer.subarray(0, length));
    length += n;
  }
  throw new UsageError(`A token must be ${TOKEN_RULE}`);
}

async function readHidden(): Promise<string> {
  const typed: number[] = [];
  const buffer = new Uint8Array(256);
  for (;;) {
    const n = await Deno.stdin.read(buffer);
    if (n === null) return text(typed);
    for (const byte of buffer.subarray(0, n)) {
      if (byte === CTRL_C || byte === CTRL_D) throw new UsageError("No token was given");
      if (ENTERS.includes(byte)) return text(typed);
      if (BACKSPACES.includes(byte)) typed.pop();
      else if (typed.length < MAX_INPUT_BYTES) typed.push(byte);
    }
  }
}

function text(bytes: readonly number[]): string {
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
