/**
 * What `--help` prints.
 *
 * @module
 */
import type {
  Argument as CommanderArgument,
  Command as Commander,
  Option as CommanderOption,
} from "commander";
import { defaultText, envName, type Option } from "./option.ts";
import type { Command, Program } from "./command.ts";

/** Columns of help; wider lines are hard to read. */
const WIDTH = 100;

const BOLD = "\x1b[1m";
const NOT_BOLD = "\x1b[22m";

/** Commander's option → ours. */
const sources = new WeakMap<CommanderOption, Option>();

/** Tells help which row of the table an option of commander came from. */
export function rememberOption(own: CommanderOption, option: Option): void {
  sources.set(own, option);
}

/** The row of the table that an option of commander came from. */
export function rowOf(own: CommanderOption): Option | undefined {
  return sources.get(own);
}

export interface HelpOptions {
  readonly program: Program;
  /** Of the terminal. */
  readonly columns?: number | undefined;
}

/** Makes commander's help ours: groups, defaults, names of environment variables, examples. */
export function configureHelp(
  own: Commander,
  command: Command,
  { program, columns = WIDTH }: HelpOptions,
): void {
  own.summary(command.summary).description(command.description ?? command.summary);
  own.configureHelp({
    helpWidth: Math.min(columns, WIDTH),
    subcommandTerm: (child) => [child.name(), ...child.registeredArguments.map(term)].join(" "),
    styleTitle: (text) => BOLD + text + NOT_BOLD,
    displayWidth: (text) => withoutStyle(text).length,
    optionDescription: (option) => {
      const source = rowOf(option);
      return source === undefined ? option.description : describe(source, program.envPrefix);
    },
  });
  const { examples = [], notes } = command;
  if (examples.length > 0) {
    own.addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`);
  }
  if (notes !== undefined) own.addHelpText("after", `\n${notes}`);
}

/** The same for an output without colours. Commander would load `node:util` for it. */
export function withoutStyle(text: string): string {
  return text.replaceAll(BOLD, "").replaceAll(NOT_BOLD, "");
}

/** `[server]`, `<file>`, `[more...]`. */
function term(argument: CommanderArgument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** The option's sentence, and in brackets what else is to know. */
function describe(option: Option, envPrefix: string): string {
  const facts: string[] = [];
  if (option.choices !== undefined) facts.push(option.choices.join(" | "));
  const text = defaultText(option);
  if (text !== undefined && text !== "") facts.push(`default ${text}`);
  if (option.required) facts.push("required");
  if (option.many) facts.push("repeatable");
  const name = envName(option, envPrefix);
  if (name !== undefined) facts.push(`env ${name}`);
  return facts.length === 0 ? option.help : `${option.help} (${facts.join(", ")})`;
}
