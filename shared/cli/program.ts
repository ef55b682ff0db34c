/**
 * A program as one table: its commands, their options, environment variables, config file, help
 * and completion all come from it.
 *
 *     flag  >  environment variable  >  --config file  >  default
 *
 * Exit codes: what `run()` returns · 2 for a command line that cannot be understood · 1 for an
 * unexpected error · 130 and 143 when SIGINT or SIGTERM ended it · 141 when nobody reads stdout any more.
 *
 * @module
 */
import { printableLines } from "../text/printable.ts";
import { COMPLETE, complete } from "./complete.ts";
import { completionCommand } from "./completion_script.ts";
import { type Io, processIo } from "./io.ts";
import type { Argument, Options, OptionValues } from "./option.ts";
import { parse } from "./parse.ts";
import { listenToSignals, SignalError } from "./signals.ts";
import { UsageError } from "./usage_error.ts";
import { Priority, stderrIsJournal, withPriority } from "../systemd/journal.ts";

export type {
  Argument,
  Completer,
  CompletionContext,
  Option,
  Options,
  OptionValues,
} from "./option.ts";
export type { Io, Output } from "./io.ts";
export { UsageError } from "./usage_error.ts";

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What `run()` gets. */
export interface Context<O extends Options = Options> {
  /** The arguments, in the order of the table. */
  readonly args: readonly string[];
  readonly options: OptionValues<O>;
  /** Fires at SIGINT and SIGTERM, with a SignalError. Who never looks at it is ended at once by them. */
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
  /** Returns the exit code. */
  run?(context: Context<O>): Promise<number> | number;
  readonly commands?: readonly Command[];
}

/** A program: the root of its commands. */
export interface Program {
  readonly name: string;
  /** Options get their environment variables from it: `GSERVER` and `--hub-uri` make `GSERVER_HUB_URI`. */
  readonly envPrefix: string;
  readonly version: string;
  readonly summary: string;
  readonly description?: string;
  readonly examples?: readonly string[];
  readonly notes?: string;
  /** Runs when no command is named. */
  readonly defaultCommand?: string;
  readonly commands: readonly Command[];
}

/** Gives back its argument; with it TypeScript knows the types of `options` inside `run()`. */
export function defineCommand<const O extends Options>(command: Command<O>): Command<O> {
  return command;
}

/** What a test may put in the place of the process's own. */
export interface RunOverrides {
  /** @default Deno.env.toObject() */
  readonly env?: Env;
  /** @default the process's streams */
  readonly io?: Io;
  /** Replaces SIGINT and SIGTERM. @default none */
  readonly signal?: AbortSignal;
}

/** `EPIPE` as a shell reports it: 128 + SIGPIPE. */
const EXIT_BROKEN_PIPE = 141;
const EXIT_UNEXPECTED = 1;
const EXIT_USAGE = 2;

/**
 * Runs a program. It never throws.
 *
 * @param args The command line without the program's name.
 * @returns The exit code.
 */
export async function runProgram(
  program: Program,
  args: readonly string[],
  overrides: RunOverrides = {},
): Promise<number> {
  const env = overrides.env ?? Deno.env.toObject();
  const io = overrides.io ?? processIo(env);
  const full = { ...program, commands: [...program.commands, completionCommand(program)] };
  let looked = false;
  using signals = overrides.signal === undefined
    ? listenToSignals({ exit: Deno.exit, handled: () => looked })
    : { signal: overrides.signal, onHangup() {}, [Symbol.dispose]() {} };
  try {
    if (args[0] === COMPLETE) {
      const lines = await complete(full, args.slice(1), { env });
      await io.stdout.write(lines.map((line) => `${line}\n`).join(""));
      return 0;
    }
    const parsed = await parse(full, args, { env, stdout: io.stdout });
    if ("text" in parsed) {
      await (parsed.asked ? io.stdout : io.stderr).write(parsed.text);
      return parsed.asked ? 0 : EXIT_USAGE;
    }
    const context = {
      ...parsed,
      env,
      io,
      get signal() {
        looked = true;
        return signals.signal;
      },
      onHangup: (reload: () => void) => signals.onHangup(reload),
      async reread() {
        const again = await parse(full, args, { env, stdout: io.stdout });
        if ("text" in again) throw new UsageError("The options ask for help");
        return again.options;
      },
    };
    return await parsed.command.run!(context);
  } catch (error) {
    return await report(error, { program, io, signal: signals.signal, env });
  }
}

interface ReportOptions {
  readonly program: Program;
  readonly io: Io;
  readonly signal: AbortSignal;
  readonly env: Env;
}

/** Says what went wrong, and how the program ends because of it. */
async function report(
  error: unknown,
  { program, io, signal, env }: ReportOptions,
): Promise<number> {
  if (signal.aborted && signal.reason instanceof SignalError) return signal.reason.exitCode;
  if (error instanceof Deno.errors.BrokenPipe) return EXIT_BROKEN_PIPE;
  const message = error instanceof Error ? error.message : String(error);
  const lines = [`error: ${printableLines(message)}`];
  if (error instanceof UsageError) {
    if (error.hint !== undefined) lines.push(`hint: ${printableLines(error.hint)}`);
  } else if (error instanceof Error && env[`${program.envPrefix}_DEBUG`]) {
    lines.push(printableLines(error.stack ?? ""));
  }
  const text = stderrIsJournal(env)
    ? lines.join("\n").split("\n").map((line) => withPriority(Priority.ERROR, line)).join("\n")
    : lines.join("\n");
  await io.stderr.write(text + "\n").catch(() => {});
  return error instanceof UsageError ? EXIT_USAGE : EXIT_UNEXPECTED;
}
