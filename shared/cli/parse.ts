/**
 * From a command line to a command and its values: commander reads the line by the program's table
 * (`tree.ts`), and `values.ts` fills what flags left open.
 *
 * @module
 */
import { type Command as Commander, CommanderError } from "commander";
import { distance, nearest } from "../text/closest.ts";
import type { Command, Env, Program, Raw } from "./command.ts";
import { leafOptions } from "./hoisted.ts";
import type { Output } from "./io.ts";
import { optionsOf } from "./option.ts";
import { readSettings } from "./settings.ts";
import { buildTree, commandOf, locate, pathOf, rawValues } from "./tree.ts";
import { UsageError } from "./usage_error.ts";
import { resolveValues } from "./values.ts";

/** Commander's code for a flag that stands last and wants a value. */
const MISSING_VALUE = "commander.optionMissingArgument";
const VERSION = "commander.version";
/** What commander says of a word that is no command. */
const UNKNOWN_COMMAND = /^error: unknown command '(.*)'/;
/** No more commands are suggested for one word. */
const MAX_MEANT = 3;

/** A command to run. */
export interface Parsed {
  readonly command: Command;
  readonly args: readonly string[];
  // deno-lint-ignore no-explicit-any -- the table is checked where the command is defined
  readonly options: Readonly<Record<string, any>>;
  /** The flags alone, as they were given. */
  readonly given: Raw;
}

/** Text to print instead: help or the version. */
export interface Printed {
  readonly text: string;
  /** Was help asked for, or is it the answer to a line without a command? */
  readonly asked: boolean;
}

export interface ParseOptions {
  readonly env: Env;
  /** Where help goes: it may be coloured, and has a width. */
  readonly stdout: Output;
}

/**
 * @throws {UsageError} If the line, the environment or the config file cannot be understood.
 */
export async function parse(
  program: Program,
  args: readonly string[],
  { env, stdout }: ParseOptions,
): Promise<Parsed | Printed> {
  const state: { found?: Commander; text: string } = { text: "" };
  // `help x y` is `x y --help`
  const [first, ...rest] = args;
  const line = first === "help" ? [...rest, "--help"] : [...args];
  const root = buildTree(program, {
    line,
    stdout,
    write: (part) => void (state.text += part),
    run: (own) => void (state.found = own),
    refuse: (error, own) => refusal(error, own, { program, args }),
  });
  root.hook("preSubcommand", () => requireKnownCommand(program, root));
  try {
    await root.parseAsync(line, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code !== VERSION) requireKnownCommand(program, root);
    if (error.exitCode === 0) return { text: state.text, asked: true };
    if (error.code === "commander.help") return { text: state.text, asked: false };
    throw error;
  }
  const { found } = state;
  if (found === undefined) throw new Error(`${program.name} has a command without run()`);
  const [command, raw] = [commandOf(found), rawValues(found)];
  requireOwnOptions(program, found, raw);
  const { options: known = {} } = command;
  const config = await readSettings(program, { raw, env, options: known });
  const options = resolveValues(known, { raw, env, program, config });
  return { command, args: found.args, options, given: raw };
}

/** An option before the command's name must be one of that command. */
function requireOwnOptions(program: Program, own: Commander, raw: Raw): void {
  const known = optionsOf(commandOf(own));
  for (const [key, { flag }] of leafOptions([program])) {
    if (raw[key] === undefined || known[key] !== undefined) continue;
    const path = pathOf(own);
    throw new UsageError(`Option "${flag}" does not belong to "${path.join(" ")}"`, {
      hint: helpHint(path),
    });
  }
}

/** With a default command, a misspelt command would pass for that one's first argument. */
function requireKnownCommand(program: Program, root: Commander): void {
  const { name, defaultCommand, commands } = program;
  const [word] = root.args;
  if (defaultCommand === undefined || word === undefined || word.startsWith("-")) return;
  if (commands.some(({ name, aliases = [] }) => [name, ...aliases].includes(word))) return;
  const takesWords = commands.some(({ name, args = [] }) =>
    name === defaultCommand && args.length > 0
  );
  const otherwise = takesWords ? `"${name} ${defaultCommand} ${word}"` : undefined;
  throw unknownCommand(word, { path: [name], commands, otherwise });
}

interface Line {
  readonly program: Program;
  readonly args: readonly string[];
}

/** What people are told of a line that commander refuses. */
function refusal(error: CommanderError, own: Commander, { program, args }: Line): UsageError {
  const [, word] = UNKNOWN_COMMAND.exec(error.message) ?? [];
  if (word !== undefined) {
    return unknownCommand(word, { path: pathOf(own), commands: commandOf(own).commands ?? [] });
  }
  // The root takes flags of all commands; this one stands last, and its value is missing.
  const named = error.code === MISSING_VALUE ? locate(program, args).own : own;
  return toUsageError(error, pathOf(named));
}

interface Unknown {
  readonly path: readonly string[];
  readonly commands: readonly Command[];
  /** What else was meant, if the word is like no command. */
  readonly otherwise?: string | undefined;
}

function unknownCommand(word: string, { path, commands, otherwise }: Unknown): UsageError {
  const meant = meantCommands(word, commands).join(" or ") || otherwise;
  const suggestion = meant === undefined ? "" : `Did you mean ${meant}? `;
  return new UsageError(`Unknown command "${word}"`, { hint: suggestion + helpHint(path) });
}

/**
 * The commands that begin with the word, else all that are like it. Not the likeliest alone: `start`
 * instead of `status` would change what was only to be looked at.
 */
function meantCommands(word: string, commands: readonly Command[]): string[] {
  const names = commands.filter(({ hidden }) => !hidden)
    .flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  const begun = names.filter((name) => word !== "" && name.startsWith(word));
  if (begun.length > 0) return begun.slice(0, MAX_MEANT);
  return nearest(word, names, { max: MAX_MEANT }).filter((name) =>
    distance(word, name) < name.length
  );
}

function toUsageError(error: CommanderError, path: readonly string[]): UsageError {
  const [first = "", second] = error.message.replace(/^error: /, "").split("\n");
  const message = first.charAt(0).toUpperCase() +
    first.slice(1).replaceAll("'", '"').replace(/\.$/, "");
  const suggestion = second === undefined ? "" : `${second.slice(1, -1)} `;
  return new UsageError(message, { hint: suggestion + helpHint(path), cause: error });
}

function helpHint(path: readonly string[]): string {
  return `Run "${path.join(" ")} --help"`;
}
