/**
 * A program's manual page, in the language of man(7), from the same table as `--help`.
 *
 *     gclient man | man -l -
 *
 * @module
 */
import type { Command, Program } from "./command.ts";
import { defaultText, envName, type Option, optionsOf } from "./option.ts";

/** The whole page: the program, and a part for each command that runs. */
export function manPage(program: Program): string {
  const { name, version, summary, description = summary, examples = [], notes } = program;
  const lines = [
    `.TH ${name.toUpperCase()} 1 "" "${name} ${version}" "${name}"`,
    ".SH NAME",
    `${name} \\- ${plain(summary)}`,
    ".SH SYNOPSIS",
    `.B ${name}`,
    ".I command",
    "[options]",
    ".SH DESCRIPTION",
    plain(description),
    ".SH COMMANDS",
    ...program.commands.flatMap((command) => commandLines(program, command, [name])),
  ];
  if (notes !== undefined) lines.push(".SH NOTES", ...verbatim(notes));
  if (examples.length > 0) lines.push(".SH EXAMPLES", ...verbatim(examples.join("\n")));
  return `${lines.join("\n")}\n`;
}

function commandLines(program: Program, command: Command, above: readonly string[]): string[] {
  if (command.hidden) return [];
  const path = [...above, command.name];
  if (command.commands !== undefined) {
    return command.commands.flatMap((child) => commandLines(program, child, path));
  }
  const { summary, description = summary, examples = [], args = [] } = command;
  const words = args.map(({ name, optional, many }) => {
    const word = `${name}${many ? "..." : ""}`;
    return optional ? `[${word}]` : `<${word}>`;
  });
  const options = Object.values(optionsOf(command)).filter(({ hidden }) => !hidden);
  return [
    `.SS ${plain([...path, ...words].join(" "))}`,
    ...description.split("\n\n").flatMap((text) => [plain(text), ".PP"]),
    ...args.flatMap(({ name, summary }) => [".TP", `.I ${plain(name)}`, plain(summary)]),
    ...options.flatMap((option) => optionLines(option, program.envPrefix)),
    ...(examples.length > 0 ? [".PP", "Examples:", ...verbatim(examples.join("\n"))] : []),
  ];
}

function optionLines(option: Option, envPrefix: string): string[] {
  const { short, flag, value, help, choices, required, many } = option;
  const flags = [short, flag].filter((one) => one !== undefined).join(", ");
  const variable = envName(option, envPrefix);
  const byDefault = defaultText(option);
  const facts = [
    choices?.join(" | "),
    byDefault === undefined || byDefault === "" ? undefined : `default ${byDefault}`,
    required ? "required" : undefined,
    many ? "repeatable" : undefined,
    variable === undefined ? undefined : `env ${variable}`,
  ].filter((fact) => fact !== undefined);
  const rest = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
  return [
    ".TP",
    `.B ${plain(flags)}${value === undefined ? "" : ` ${plain(value)}`}`,
    plain(help + rest),
  ];
}

/** Text in which nothing is a command of man(7). */
function plain(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").split("\n")
    .map((line) => /^[.']/.test(line) ? `\\&${line}` : line).join("\n");
}

/** Lines that stay as they are. */
function verbatim(text: string): string[] {
  return [".PP", ".nf", plain(text), ".fi"];
}
