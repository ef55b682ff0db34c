/**
 * From a command line to a command and its values: the table becomes commander's commands, commander
 * reads the flags, and `values.ts` fills what flags left open.
 *
 * @module
 */
import { Command as Commander, CommanderError, Option as CommanderOption } from "commander";
import { distance, nearest } from "../text/closest.ts";
import { configureHelp, rememberOption, rowOf } from "./help.ts";
import { hoisted, leafOptions } from "./hoisted.ts";
import { type Option, optionsOf } from "./option.ts";
import type { Output } from "./io.ts";
import type { Command, Env, Program, Raw } from "./command.ts";
import { UsageError } from "./usage_error.ts";
import { readSettings } from "./settings.ts";
import { resolveValues } from "./values.ts";

/** Commander's code for a flag that stands last and wants a value. */
const MISSING_VALUE = "commander.optionMissingArgument";
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
  const state: State = { program, args, stdout, found: undefined, text: "" };
  const root = build(state, programAsCommand(program), [program.name]);
  root.version(program.version, "--version", "Prints the version");
  requireKnownCommand(program, state, args);
  // `help x y` is `x y --help`
  const [first, ...rest] = args;
  const line = first === "help" ? [...rest, "--help"] : [...args];
  try {
    await root.parseAsync(line, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { text: state.text, asked: true };
    if (error.code === "commander.help") return { text: state.text, asked: false };
    throw error;
  }
  if (state.found === undefined) throw new Error(`${program.name} has a command without run()`);
  requireOwnOptions(program, state.found);
  const { command, raw, args: words } = state.found;
  const config = await readSettings(program, { raw, env, options: command.options ?? {} });
  const options = resolveValues(command.options ?? {}, { raw, env, program, config });
  return { command, args: words, options, given: raw };
}

interface Found {
  readonly command: Command;
  readonly path: readonly string[];
  readonly args: readonly string[];
  readonly raw: Raw;
}

interface State {
  readonly program: Program;
  readonly args: readonly string[];
  readonly stdout: Output;
  found: Found | undefined;
  text: string;
}

function programAsCommand(program: Program): Command {
  const { name, summary, description, examples, notes, commands } = program;
  return {
    name,
    summary,
    commands,
    ...(description !== undefined && { description }),
    ...(examples !== undefined && { examples }),
    ...(notes !== undefined && { notes }),
  };
}

function build(state: State, command: Command, path: readonly string[]): Commander {
  const { program } = state;
  const own = new Commander(command.name);
  own.exitOverride((error) => {
    if (error.exitCode === 0 || error.code === "commander.help") throw error;
    const [, word] = UNKNOWN_COMMAND.exec(error.message) ?? [];
    throw word === undefined
      ? toUsageError(error, error.code === MISSING_VALUE ? namedPath(state) : path)
      : unknownCommand(word, { path, commands: command.commands ?? [] });
  });
  own.configureOutput({
    writeOut: (text) => void (state.text += text),
    writeErr: (text) => void (state.text += text),
    outputError: () => {},
    getOutHasColors: () => state.stdout.color,
    getErrHasColors: () => state.stdout.color,
  });
  own.helpCommand(false).helpOption("-h, --help", "Prints this");
  own.aliases([...command.aliases ?? []]);
  configureHelp(own, command, { program, columns: state.stdout.columns });
  const isRoot = path.length === 1;
  const shown = isRoot ? program.commands.find((c) => c.name === program.defaultCommand) : command;
  const options = command.run === undefined ? hoisted(command) : optionsOf(command);
  const shownOptions = shown?.run === undefined ? {} : optionsOf(shown);
  for (const [key, option] of Object.entries(options)) {
    // Another command may have an option of the same form that means something else there.
    const seen = shownOptions[key];
    own.addOption(toCommander(key, seen ?? option, option.hidden === true || seen === undefined));
  }
  for (const arg of command.args ?? []) {
    const name = arg.many ? `${arg.name}...` : arg.name;
    own.argument(arg.optional ? `[${name}]` : `<${name}>`, arg.summary);
  }
  if (command.wraps !== undefined) own.action(() => {});
  if (command.run !== undefined) {
    own.action(() => {
      state.found = { command, path, args: own.args, raw: rawValues(own) };
    });
  }
  for (const child of command.commands ?? []) {
    const isDefault = isRoot && child.name === program.defaultCommand;
    own.addCommand(build(state, child, [...path, child.name]), {
      hidden: child.hidden ?? false,
      isDefault,
    });
  }
  return own;
}

function toCommander(key: string, option: Option, hidden: boolean): CommanderOption {
  const flags = [option.short, option.flag].filter((flag) => flag !== undefined).join(", ");
  const placeholder = option.value === undefined ? "" : ` <${option.value}>`;
  const own = new CommanderOption(flags + placeholder, option.help);
  own.attributeName = () => key;
  own.hideHelp(hidden);
  own.helpGroup(`${option.group ?? "Options"}:`);
  if (option.many) {
    own.argParser((value: string, before: string[] | undefined) => [...before ?? [], value]);
  }
  if (option.once) {
    own.argParser((value: string, before: string | undefined) => {
      if (before !== undefined) throw givenTwice(option);
      return value;
    });
  }
  rememberOption(own, option);
  return own;
}

function givenTwice({ short, flag }: Option): UsageError {
  return new UsageError(`${short ?? flag} is given twice`, { hint: "Leave one of the two out" });
}

/** The values that flags set, on the command itself or before its name. */
function rawValues(command: Commander): Raw {
  const raw: Record<string, string | readonly string[] | boolean> = {};
  for (let own: Commander | null = command; own !== null; own = own.parent) {
    for (const option of own.options) {
      const key = option.attributeName();
      if (own.getOptionValueSource(key) !== "cli") continue;
      const row = rowOf(option);
      if (row?.once && raw[key] !== undefined) throw givenTwice(row);
      // What was given nearer to the command's name wins; commander reads a "--no-x" as false.
      raw[key] ??= option.negate ? true : own.getOptionValue(key);
    }
  }
  return raw;
}

/** An option before the command's name must be one of that command. */
function requireOwnOptions(program: Program, { command, path, raw }: Found): void {
  const known = optionsOf(command);
  for (const [key, { flag }] of leafOptions(program.commands)) {
    if (raw[key] === undefined || known[key] !== undefined) continue;
    throw new UsageError(`Option "${flag}" does not belong to "${path.join(" ")}"`, {
      hint: helpHint(path),
    });
  }
}

/** With a default command, a misspelt command would pass for that one's first argument. */
function requireKnownCommand(program: Program, state: State, args: readonly string[]): void {
  if (program.defaultCommand === undefined) return;
  const probe = build(state, programAsCommand(program), [program.name]);
  const [word] = probe.parseOptions([...args]).operands;
  const known = program.commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  if (word === undefined || word === "help" || known.includes(word)) return;
  const takesWords = program.commands
    .some(({ name, args = [] }) => name === program.defaultCommand && args.length > 0);
  const otherwise = takesWords ? `"${program.name} ${program.defaultCommand} ${word}"` : undefined;
  throw unknownCommand(word, { path: [program.name], commands: program.commands, otherwise });
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
  return nearest(word, names, MAX_MEANT).filter((name) => distance(word, name) < name.length);
}

/** The command that the line names: commander reads flags of all commands where its root stands. */
function namedPath({ program, args }: State): string[] {
  const path = [program.name];
  let commands = program.commands;
  for (const word of args) {
    const named = commands.find(({ name, aliases = [] }) => [name, ...aliases].includes(word));
    if (named === undefined) continue;
    path.push(named.name);
    commands = named.commands ?? [];
  }
  return path;
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
