/**
 * What a command is, and a program of commands.
 *
 * @module
 */
import type { Io } from "./io.ts";
import type { Argument, Options, OptionValues } from "./option.ts";

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What `run()` gets. */
export interface Context<O extends Options = Options> {
  /** The arguments, in the order of the table. */
  readonly args: readonly string[];
  readonly options: OptionValues<O>;
  /** The flags that stood on the command line, as they were given. */
  readonly given: Raw;
  /** Fires at SIGINT and SIGTERM, with a SignalError. A command that never looks at it is ended at once by them. */
  readonly signal: AbortSignal;
  readonly io: Io;
  readonly env: Env;
  /** Has `reload` called at each SIGHUP, which ends who never asked for it. */
  readonly onHangup: (reload: () => void) => void;
  /**
   * The options as they are now: the config file may be another one.
   *
   * @throws {UsageError} As at the start.
   */
  readonly reread: () => Promise<OptionValues<O>>;
}

/** What `wraps()` gets. */
export interface WrapContext {
  readonly io: Io;
  readonly signal: AbortSignal;
  /** Runs a command line of the same program. */
  run(words: readonly string[], io: Io): Promise<number>;
}

/** A command, or a group of commands. */
export interface Command<O extends Options = Options> {
  readonly name: string;
  /** Older names that still work. */
  readonly aliases?: readonly string[];
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What `--help` says instead of the summary. */
  readonly description?: string;
  /** Whole command lines, shown by `--help`. */
  readonly examples?: readonly string[];
  /** More text at the end of `--help`. */
  readonly notes?: string;
  /** Works, but is not shown. */
  readonly hidden?: boolean;
  readonly args?: readonly Argument[];
  readonly options?: O;
  /** The permissions that few commands need, and this one needs with these options. @default none */
  // deno-lint-ignore no-explicit-any -- the table is checked where the command is defined
  needs?(options: Readonly<Record<string, any>>, env: Env): readonly Deno.PermissionName[];
  /** Returns the exit code. */
  run?(context: Context<O>): Promise<number> | number;
  /** In the place of `run`: gets the rest of the line as it stands, which is another command. */
  wraps?(words: readonly string[], context: WrapContext): Promise<number>;
  readonly commands?: readonly Command[];
}

/** A program: the root of its commands, or a command itself. */
export interface Program extends Omit<Command, "aliases" | "hidden" | "commands"> {
  /** Options get their environment variables from it: `GSERVER` and `--hub-uri` make `GSERVER_HUB_URI`. */
  readonly envPrefix: string;
  readonly version: string;
  /** Runs when no command is named. */
  readonly defaultCommand?: string;
  readonly commands: readonly Command[];
  /** Sets of options under a name, in the config file. @default there are none */
  readonly contexts?: Contexts;
}

/** Where a program's contexts are, and when one of them counts. */
export interface Contexts {
  /** The config file that is read when `--config` names no other; it need not be there. */
  file(env: Env): string | undefined;
  /** The key of the option that names a context. */
  readonly option: string;
  /**
   * The key of an option that makes a context what it is. When it is given elsewhere, the file's
   * current context does not count: its credentials are meant for nobody else.
   */
  readonly identity: string;
}

/** Gives back its argument; with it TypeScript knows the types of `options` inside `run()`. */
export function defineCommand<const O extends Options>(command: Command<O>): Command<O> {
  return command;
}

/** What was given on the command line, by key. */
export type Raw = Readonly<Record<string, string | readonly string[] | boolean>>;
