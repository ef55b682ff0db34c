/**
 * What may stand at the cursor: the answer to the shell's question, from the program's table.
 *
 *     gclient __complete fluentd st   →   start⇥Starts Fluentd …
 *                                         status⇥What is true now
 *     gclient __complete -f ""        →   :file
 *
 * The last argument is the word being completed, possibly empty. Each line is a word, a tab and its
 * summary; a line `:file` or `:directory` asks the shell for names of its own.
 *
 * @module
 */
import { hoisted } from "./hoisted.ts";
import { type Argument, type Completer, type Option, type Options, optionsOf } from "./option.ts";
import type { Command, Env, Program, Raw } from "./command.ts";
import { readSettings } from "./settings.ts";
import { resolveValues, type ValueSources } from "./values.ts";

/** The hidden command that scripts call. */
export const COMPLETE = "__complete";

/** A shell that waits longer than this annoys more than it helps. */
const MAX_WAIT_MS = 1000;

export interface CompleteOptions {
  readonly env: Env;
  /** @default fires after a second */
  readonly signal?: AbortSignal;
}

/** The lines of the answer. A completer that fails gives none: an error in the middle of a command line helps nobody. */
export async function complete(
  program: Program,
  words: readonly string[],
  { env, signal = AbortSignal.timeout(MAX_WAIT_MS) }: CompleteOptions,
): Promise<string[]> {
  const [first, ...rest] = words;
  if (rest.length > 0 && program.commands.some(({ name, wraps }) => wraps && name === first)) {
    return await complete(program, rest, { env, signal });
  }
  const word = words.at(-1) ?? "";
  const place = walk(program, words.slice(0, -1));
  const { command, options, pending, args, raw, ended } = place;

  const ask = async (completer: Completer | undefined, prefix: string): Promise<string[]> => {
    if (completer === undefined) return [];
    if (typeof completer === "string") return [`:${completer}`];
    // A file that is wrong is told when the command runs.
    const config = await readSettings(program, { raw, env, options }).catch(() => undefined);
    const context = {
      word: prefix,
      args,
      options: lenientValues(options, { program, raw, env, config }),
      env,
      signal,
    };
    const found = await untilAborted(async () => await completer(context), signal);
    return found.filter((item) => item.startsWith(prefix) && !/[\t\r\n]/.test(item));
  };
  const values = (option: Option, prefix: string): Promise<string[]> | string[] =>
    option.choices?.filter((choice) => choice.startsWith(prefix)) ?? ask(option.complete, prefix);

  if (pending !== undefined) return await values(pending, word);
  const [, flag, text] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
  if (!ended && flag !== undefined && text !== undefined) {
    const option = Object.values(options).find((option) => option.flag === flag);
    if (option?.value === undefined) return [];
    return (await values(option, text)).map((v) => v.startsWith(":") ? v : `${flag}=${v}`);
  }
  if (!ended && word.startsWith("-")) {
    return flags(options, raw).filter((line) => line.startsWith(word));
  }
  if (command.commands !== undefined) {
    return command.commands
      .filter(({ name, hidden }) => !hidden && name.startsWith(word))
      .map(({ name, summary }) => `${name}\t${summary}`);
  }
  return await ask(argumentAt(command, args.length)?.complete, word);
}

/** Where the words before the cursor lead. */
interface Place {
  readonly command: Pick<Command, "args" | "commands" | "options">;
  readonly options: Options;
  /** The option whose value is awaited. */
  readonly pending: Option | undefined;
  readonly args: readonly string[];
  readonly raw: Raw;
  /** After `--` there are no more options. */
  readonly ended: boolean;
}

function walk(program: Program, words: readonly string[]): Place {
  const group: Command = { ...program, name: program.name };
  const fallback = program.commands.find(({ name }) => name === program.defaultCommand);
  let command = group;
  let options: Options = { ...hoisted(group), ...fallback?.options };
  let pending: [key: string, option: Option] | undefined;
  let ended = false;
  const args: string[] = [];
  const raw: Record<string, string | string[] | boolean> = {};
  const put = ([key, option]: [string, Option], text: string) => {
    const before = raw[key];
    raw[key] = option.many ? [...Array.isArray(before) ? before : [], text] : text;
  };
  for (const word of words) {
    if (pending !== undefined) {
      put(pending, word);
      pending = undefined;
    } else if (!ended && word === "--") {
      ended = true;
    } else if (!ended && word.startsWith("-") && word !== "-") {
      const [flag = "", text] = word.split(/=(.*)/s);
      const found = Object.entries(options).find(([, o]) => o.flag === flag || o.short === flag);
      if (found === undefined) continue;
      if (found[1].value === undefined) raw[found[0]] = true;
      else if (text === undefined) pending = found;
      else put(found, text);
    } else {
      const child = command.commands?.find(({ name, aliases = [] }) =>
        name === word || aliases.includes(word)
      );
      if (child === undefined) args.push(word);
      else {
        command = child;
        options = child.run === undefined ? hoisted(child) : optionsOf(child);
      }
    }
  }
  return { command, options, pending: pending?.[1], args, raw, ended };
}

function flags(options: Options, raw: Raw): string[] {
  const open = Object.entries(options).filter(([key, option]) =>
    !option.hidden && (option.many || raw[key] === undefined)
  );
  return [...open.map(([, { flag, help }]) => `${flag}\t${help}`), "--help\tPrints help"];
}

function argumentAt(command: Pick<Command, "args">, index: number): Argument | undefined {
  const last = command.args?.at(-1);
  return command.args?.[index] ?? (last?.many ? last : undefined);
}

/** Each option by itself: one that is wrong now must not hide the others. */
function lenientValues(options: Options, sources: ValueSources) {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(options)) {
    try {
      Object.assign(values, resolveValues({ [key]: option }, sources));
    } catch {
      // left out
    }
  }
  return values;
}

async function untilAborted(
  ask: () => Promise<readonly string[]>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { promise, resolve } = Promise.withResolvers<readonly string[]>();
  const stop = () => resolve([]);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([ask(), promise]);
  } catch {
    return [];
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
