/**
 * `-l`: which servers are meant, by their labels.
 *
 * @module
 */
import { type Options, type OptionValues, UsageError } from "../../shared/cli/program.ts";
import { labelWords } from "./label_words.ts";
import { parseSelector } from "../../shared/registration/selector.ts";

/**
 * The values are pieces of one selector: where an environment variable holds it, it is cut at its
 * commas, and those in parentheses are among them.
 */
export const selectorOptions = {
  selector: {
    flag: "--selector",
    short: "-l",
    value: "SELECTOR",
    many: true,
    complete: labelWords,
    help: "Only servers with these labels, as in env=prod,role in (edge,core),!canary,site!=ams",
  },
  label: {
    flag: "--label",
    value: "SELECTOR",
    many: true,
    hidden: true,
    help: "The older name of --selector",
  },
} as const satisfies Options;

/**
 * The same for a command that changes what is selected: a variable that was set for another one must not
 * choose its servers.
 */
export const targetSelectorOptions = {
  selector: { ...selectorOptions.selector, perRun: true },
  label: { ...selectorOptions.label, perRun: true },
} as const satisfies Options;

export type SelectorValues = OptionValues<typeof selectorOptions>;

/**
 * The selector that was given; empty if there is none.
 *
 * @param more Another one, which must hold too.
 * @throws {UsageError} If it cannot be read; also if it is empty, as a script's variable may be that was
 *     never set: it must not mean all servers.
 */
export function selectorText({ selector, label }: SelectorValues, more = ""): string {
  const given = [...(more === "" ? [] : [more]), ...selector, ...label];
  if (given.length === 0) return "";
  const text = given.join(",");
  try {
    parseSelector(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(error.message, { hint: HINT, cause: error });
  }
  return text;
}

const HINT = "Write KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B), KEY or !KEY, with commas";
