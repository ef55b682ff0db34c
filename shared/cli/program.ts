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
import { deadline } from "../async/deadline.ts";
import { printableLines } from "../text/printable.ts";
import { COMPLETE, complete } from "./complete.ts";
import { completionCommand } from "./completion_script.ts";
import { type Io, processIo } from "./io.ts";
import { manCommand } from "./man_command.ts";
import { parse } from "./parse.ts";
import { dropPermissions } from "./permissions.ts";
import { listenToSignals, SignalError } from "./signals.ts";
import { UsageError } from "./usage_error.ts";
import { Priority, stderrIsJournal, withPriority } from "../systemd/journal.ts";
import type { Env, Program } from "./command.ts";

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

/** What a test may put in the place of the process's own. */
export interface RunOverrides {
  /** @default Deno.env.toObject() */
  readonly env?: Env;
  /** @default the process's streams */
  readonly io?: Io;
  /** Replaces SIGINT and SIGTERM. @default none */
  readonly signal?: AbortSignal;
  /** Permissions to give back before a command runs that does not need them. @default none */
  readonly dropped?: readonly Deno.PermissionName[];
}

/** `EPIPE` as a shell reports it: 128 + SIGPIPE. */
const EXIT_BROKEN_PIPE = 141;
const EXIT_UNEXPECTED = 1;
const EXIT_USAGE = 2;
/** A terminal that stands still does not keep a program that was told to end. */
const LAST_WRITES_MS = 1000;

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
  const { commands } = program;
  const full = commands.length === 0
    ? program
    : { ...program, commands: [...commands, completionCommand(program), manCommand(program)] };
  const { dropped = [] } = overrides;
  let looked = false;
  using signals = overrides.signal === undefined
    ? listenToSignals({ exit: Deno.exit, handled: () => looked })
    : { signal: overrides.signal, onHangup() {}, [Symbol.dispose]() {} };
  try {
    if (args[0] === COMPLETE) {
      dropPermissions(...dropped);
      const lines = await complete(full, args.slice(1), { env });
      await io.stdout.write(lines.map((line) => `${line}\n`).join(""));
      return 0;
    }
    const [first, ...words] = args;
    const { wraps } = program.commands.find(({ name }) => name === first) ?? {};
    if (wraps !== undefined && !["-h", "--help"].includes(words[0] ?? "")) {
      looked = true;
      const { signal } = signals;
      const run = (line: readonly string[], io: Io) =>
        runProgram(program, line, { env, io, signal, dropped });
      return await wraps(words, { io, signal, run });
    }
    const parsed = await parse(full, args, { env, stdout: io.stdout });
    if ("text" in parsed) {
      await (parsed.asked ? io.stdout : io.stderr).write(parsed.text);
      return parsed.asked ? 0 : EXIT_USAGE;
    }
    const needed = parsed.command.needs?.(parsed.options, env) ?? [];
    dropPermissions(...dropped.filter((name) => !needed.includes(name)));
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
  if (signal.aborted && signal.reason instanceof SignalError) {
    // What takes a line of progress off the terminal is under way.
    await deadline(io.stderr.write(""), LAST_WRITES_MS).catch(() => {});
    return signal.reason.exitCode;
  }
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
