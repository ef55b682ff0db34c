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
import type { Argument, Completer, Option, Options } from "./option.ts";
import type { Command, Env, Program, Raw } from "./command.ts";
import { readSettings } from "./settings.ts";
import { commandOf, locate, type UnfinishedLine } from "./tree.ts";
import { resolveValues, type ValueSources } from "./values.ts";

/** The hidden command that scripts call. */
export const COMPLETE = "__complete";

/** A shell that waits longer than this annoys more than it helps. Completers give up before, when nothing comes. */
const MAX_WAIT_MS = 3000;

export interface CompleteOptions {
  readonly env: Env;
  /** @default fires after three seconds */
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
  const place = placeOf(program, words.slice(0, -1));
  if (place === undefined) return [];
  const { options, pending, args, raw, ended } = place;
  const command = commandOf(place.own);

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

/** Where the words before the cursor lead; `undefined` if they lead nowhere. */
function placeOf(program: Program, words: readonly string[]): UnfinishedLine | undefined {
  try {
    return locate(program, words);
  } catch {
    return undefined;
  }
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
