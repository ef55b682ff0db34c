/**
 * A program's table as commander's commands: the one reader of command lines. `parse.ts` has it read a
 * whole line; completion and error messages ask it where a line leads that is not finished.
 *
 * @module
 */
import { Command as Commander, type CommanderError, Option as CommanderOption } from "commander";
import type { Command, Program, Raw } from "./command.ts";
import { configureHelp, rememberOption, rowOf, withoutStyle } from "./help.ts";
import { hoisted } from "./hoisted.ts";
import type { Output } from "./io.ts";
import { type Option, type Options, optionsOf } from "./option.ts";
import { UsageError } from "./usage_error.ts";

export interface TreeOptions {
  /** The words to read: a command that none of them names gets no options. */
  readonly line: readonly string[];
  /** Where help goes: it may be coloured, and has a width. */
  readonly stdout: Pick<Output, "color" | "columns">;
  /** Takes help and version. */
  write(text: string): void;
  /** Takes the command that the line names. */
  run(own: Commander): void;
  /** Makes the error of a line that `own` refuses. */
  refuse(error: CommanderError, own: Commander): unknown;
}

/** Commander's command → ours. */
const rows = new WeakMap<Commander, Command>();

/** The row of the table that a command of commander came from. */
export function commandOf(own: Commander): Command {
  return rows.get(own)!;
}

/** The words that name a command, with the program's own. */
export function pathOf(own: Commander): string[] {
  return [...own.parent === null ? [] : pathOf(own.parent), own.name()];
}

/** Makes commander's commands of a table. */
export function buildTree(program: Program, options: TreeOptions): Commander {
  const root = build(program, program, options);
  return root.version(program.version, "--version", "Prints the version");
}

function build(program: Program, command: Command, tree: TreeOptions): Commander {
  const own = listed(program, command, tree);
  const fallback = command === program ? program.defaultCommand : undefined;
  const shown = command.commands?.find(({ name }) => name === fallback) ?? command;
  const options = command.run === undefined ? hoisted(command) : optionsOf(command);
  const shownOptions = shown.run === undefined ? {} : optionsOf(shown);
  for (const [key, option] of Object.entries(options)) {
    // Another command may have an option of the same form that means something else there.
    const seen = shownOptions[key];
    own.addOption(toCommander(key, seen ?? option, option.hidden === true || seen === undefined));
  }
  if (command.wraps !== undefined) own.action(() => {});
  if (command.run !== undefined) own.action(() => tree.run(own));
  for (const child of command.commands ?? []) {
    const isDefault = child.name === fallback;
    const names = [child.name, ...child.aliases ?? []];
    // To make the options of all commands would take most of a start.
    const make = isDefault || names.some((name) => tree.line.includes(name)) ? build : listed;
    own.addCommand(make(program, child, tree), { hidden: child.hidden ?? false, isDefault });
  }
  return own;
}

/** A command as help lists it, without its options and what is below it. */
function listed(program: Program, command: Command, tree: TreeOptions): Commander {
  const own = new Commander(command.name);
  rows.set(own, command);
  own.exitOverride((error) => {
    throw error.exitCode === 0 || error.code === "commander.help" ? error : tree.refuse(error, own);
  });
  own.configureOutput({
    writeOut: (text) => tree.write(text),
    writeErr: (text) => tree.write(text),
    outputError: () => {},
    getOutHasColors: () => tree.stdout.color,
    getErrHasColors: () => tree.stdout.color,
    // Commander's own ones load `node:process` and `node:util`; `configureHelp` has the width.
    getOutHelpWidth: () => 0,
    getErrHelpWidth: () => 0,
    stripColor: withoutStyle,
  });
  own.helpCommand(false).helpOption("-h, --help", "Prints this");
  own.aliases([...command.aliases ?? []]);
  configureHelp(own, command, { program, columns: tree.stdout.columns });
  for (const arg of command.args ?? []) {
    const name = arg.many ? `${arg.name}...` : arg.name;
    own.argument(arg.optional ? `[${name}]` : `<${name}>`, arg.summary);
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

/** The values that flags have set, on the command itself or before its name. */
export function rawValues(command: Commander): Raw {
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

/** Where a line leads that is not finished. */
export interface UnfinishedLine {
  /** The command that is named so far. */
  readonly own: Commander;
  readonly options: Options;
  /** The option whose value comes next. */
  readonly pending: Option | undefined;
  readonly args: readonly string[];
  readonly raw: Raw;
  /** After `--` there are no more options. */
  readonly ended: boolean;
}

/** Stands for the word to come. It begins like an option of one letter, and no one can type it. */
const CURSOR = "-\0";

/**
 * Reads the words of a line that goes on.
 *
 * @throws {Error} If it could not be finished.
 */
export function locate(program: Program, words: readonly string[]): UnfinishedLine {
  let own = buildTree(program, { ...UNFINISHED, line: words });
  const args: string[] = [];
  let unknown = [...words, CURSOR];
  const read = (command: Commander) => {
    const parsed = command.parseOptions(unknown);
    args.push(...parsed.operands);
    unknown = parsed.unknown;
  };
  read(own);
  for (let child = childOf(own, args[0]); child !== undefined; child = childOf(own, args[0])) {
    own = child;
    args.shift();
    read(own);
  }
  // Where no command is named yet, the default one's options may stand.
  const fallback = own.parent === null ? childOf(own, program.defaultCommand) : undefined;
  if (fallback !== undefined) read(fallback);
  const options = { ...optionsIn(own), ...(fallback && optionsIn(fallback)) };
  const raw: Record<string, Raw[string]> = { ...rawValues(fallback ?? own) };
  const pending = Object.keys(options).find((key) => [raw[key]].flat().includes(CURSOR));
  if (pending !== undefined) {
    const before = [raw[pending]].flat().filter((value) => value !== CURSOR) as string[];
    if (before.length > 0) raw[pending] = before;
    else delete raw[pending];
  }
  return {
    own,
    options,
    pending: pending === undefined ? undefined : options[pending],
    // What an unknown option leaves over is most likely no value of it.
    args: [...args, ...unknown.filter((word) => !word.startsWith("-"))]
      .filter((word) => word !== CURSOR),
    raw,
    ended: args.includes(CURSOR),
  };
}

const UNFINISHED: Omit<TreeOptions, "line"> = {
  stdout: { color: false },
  write() {},
  run() {},
  refuse: (error) => error,
};

function childOf(own: Commander, word: string | undefined): Commander | undefined {
  return own.commands.find((child) =>
    word !== undefined && [child.name(), ...child.aliases()].includes(word)
  );
}

function optionsIn(own: Commander): Options {
  return Object.fromEntries(
    own.options.flatMap((option) => {
      const row = rowOf(option);
      return row === undefined ? [] : [[option.attributeName(), row]];
    }),
  );
}
