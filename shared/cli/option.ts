/**
 * The rows of a program's table: what an option and an argument are, and which value
 * `run()` gets for them.
 *
 * @module
 */

/** Gives the words that may stand here, for the shell's completion. */
export type Completer =
  | "file"
  | "directory"
  | ((context: CompletionContext) => Promise<readonly string[]> | readonly string[]);

/** What is known while a word is being completed. */
export interface CompletionContext {
  /** The beginning of the word. */
  readonly word: string;
  /** The arguments before it. */
  readonly args: readonly string[];
  /** The command's options as far as they can be known; wrong ones are left out. */
  // deno-lint-ignore no-explicit-any -- a Completer serves commands with different options
  readonly options: Readonly<Record<string, any>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires when the shell should not wait any longer. */
  readonly signal: AbortSignal;
}

/** One option of a command. */
export interface Option {
  /** The long flag. One that begins with `--no-` is an ordinary boolean of that name. */
  readonly flag: `--${string}`;
  /** One letter, such as `-s`. */
  readonly short?: `-${string}`;
  /** The placeholder of its value in help. An option without one is a boolean. */
  readonly value?: string;
  /** May be given several times, and is an array then. In the environment, commas or lines separate the values. */
  readonly many?: boolean;
  /** Is an error when it is given twice; of another option, the last one counts. */
  readonly once?: boolean;
  /** Reads one value. It throws UsageError for a bad one. */
  readonly parse?: (text: string) => unknown;
  /** Whether a value holds a secret: then it is refused in a command line, which all users can read. */
  readonly isSecret?: (text: string) => boolean;
  /** The value, as `parse` would return it, when none is given. */
  readonly default?: unknown;
  /** The opposite of `parse`: how help writes the default. @default String */
  readonly show?: (value: never) => string;
  /** What happens without a value, when no `default` says it: "no limit". */
  readonly defaultText?: string;
  /** Values other than these are refused. */
  readonly choices?: readonly string[];
  /** Refuses to run without a value. */
  readonly required?: boolean;
  /** One sentence, without a full stop. */
  readonly help: string;
  /** The heading in help. Default "Options". */
  readonly group?: string;
  /** Belongs to one command line: it has neither environment variable nor key in a config file. */
  readonly perRun?: boolean;
  /** More names of environment variables, tried after the first one. */
  readonly envFallbacks?: readonly string[];
  /** What a config file says gives way to this environment variable. */
  readonly yieldsTo?: string;
  /** Works, but is not shown. */
  readonly hidden?: boolean;
  readonly complete?: Completer;
}

/** One argument of a command. */
export interface Argument {
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
  /** Takes all that follow. Only the last argument can be one. */
  readonly many?: boolean;
  readonly complete?: Completer;
}

/** Key → option; the key is how `run()` sees it. */
export type Options = Readonly<Record<string, Option>>;

type Item<O extends Option> = O["parse"] extends (text: string) => infer T ? T
  : O["choices"] extends readonly (infer C)[] ? C
  : string;

type Value<O extends Option> = O extends { readonly value: string }
  ? O extends { readonly many: true } ? Item<O>[]
  : O extends { readonly default: unknown } | { readonly required: true } ? Item<O>
  : Item<O> | undefined
  : boolean;

/** What `run()` gets for a table of options. */
export type OptionValues<O extends Options> = string extends keyof O
  // deno-lint-ignore no-explicit-any -- the table is not known here; defineCommand() knows it
  ? Readonly<Record<string, any>>
  : { readonly [K in keyof O]: Value<O[K]> };

/** The values of some options out of those of a whole command: what one part of a program is told. */
export function valuesOf<O extends Options>(options: O, values: OptionValues<O>): OptionValues<O> {
  const all: Readonly<Record<string, unknown>> = values;
  return Object.fromEntries(
    Object.keys(options).map((key) => [key, all[key]]),
  ) as OptionValues<O>;
}

/** What help says of the case that no value is given; `undefined` if that goes without saying. */
export function defaultText(option: Option): string | undefined {
  const { default: value, show = String, many } = option;
  if (option.defaultText !== undefined || value === undefined) return option.defaultText;
  return many
    ? (value as unknown[]).map((one) => show(one as never)).join(",")
    : show(value as never);
}

/** The environment variable of an option: `--hub-uri` of `GSERVER` is `GSERVER_HUB_URI`. */
export function envName({ flag, perRun }: Option, envPrefix: string): string | undefined {
  if (perRun) return undefined;
  return `${envPrefix}_${flag.slice(2).toUpperCase().replaceAll("-", "_")}`;
}

/** The key of an option in a config file: `hub-uri`. */
export function configKey({ flag, perRun }: Option): string | undefined {
  return perRun ? undefined : flag.slice(2);
}

/** The keys of a config file with contexts. */
export const CONTEXT_KEYS = { current: "current-context", all: "contexts" } as const;

/** The built-in option's key; it cannot be one of a program's own, because those have no dashes. */
export const CONFIG_KEY = "--config";

/** Every command has it. */
export const CONFIG_OPTION: Option = {
  flag: "--config",
  value: "FILE",
  help: "Reads options from a YAML file, by their names without dashes",
  group: "Other",
  complete: "file",
};

/** All options of a command that runs: its own and the built-in one. */
export function optionsOf(command: { readonly options?: Options }): Options {
  return { ...command.options, [CONFIG_KEY]: CONFIG_OPTION };
}
