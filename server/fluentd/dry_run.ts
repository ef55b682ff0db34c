/**
 * Asks fluentd itself whether the config is valid, the way it would be started.
 *
 * The files on disk are checked, not a copy on standard input: fluentd reads its config twice,
 * so `-c /dev/stdin` passes whatever it holds. Embedded Ruby in a config runs here just as in
 * a start: this check is no safer than starting.
 *
 * @module
 */
import { TimeoutError } from "../../shared/async/deadline.ts";
import { fluentdError } from "./failures.ts";
import { DEFAULT_CONFIG_PATH, dryRunArgv, type Launch, readLaunch } from "./launch.ts";
import { parseEvent } from "./log_events.ts";
import { tailOf } from "./log_tail.ts";
import type { WaitOptions } from "./manager.ts";
import { run, type RunResult } from "./run.ts";

/**
 * A third of a second is usual, ten on a busy machine; a dry run that hangs is called invalid. Who
 * gives the whole operation more time gives it to this part of it too.
 */
const RUN_TIMEOUT_MS = 30_000;
/** Characters of the output that go into the error's details: peers refuse 8 KiB of headers. */
const DETAIL_LENGTH = 1500;
const FIRST_LINE_LENGTH = 500;

/** Options of what runs fluentd shortly. */
export interface ShortRunOptions extends WaitOptions {
  /** Until when all must be done, on the clock of `performance.now()`. */
  readonly untilMs: number;
}

function timeoutOf({ untilMs }: ShortRunOptions): number {
  return Math.max(RUN_TIMEOUT_MS, Math.round(untilMs - performance.now()));
}

/**
 * Checks the config.
 *
 * @throws {RpcError} `CONFIG_INVALID` with what fluentd says, `COMMAND_NOT_FOUND`, `AGENT_PRIVILEGE`.
 */
export async function dryRun(launch: Launch, options: ShortRunOptions): Promise<void> {
  const { configPath = DEFAULT_CONFIG_PATH } = readLaunch(launch);
  await mustBeFile(configPath);
  const timeoutMs = timeoutOf(options);
  let result: RunResult;
  try {
    result = await asService(launch, dryRunArgv(launch), timeoutMs, options);
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    throw invalid(configPath, `the dry run took longer than ${Math.round(timeoutMs / 1000)} s`, []);
  }
  if (result.code === 0) return;
  const lines = `${result.stdout}\n${result.stderr}`.split("\n").filter((line) => line !== "");
  const errors = lines.map(parseEvent).filter((event) => event?.type === "error");
  const message = errors.at(-1)?.message ?? lines.at(-1) ??
    `the dry run ended with exit code ${result.code}`;
  throw invalid(configPath, message, lines);
}

/** What `fluentd --version` says: `1.18.0`. */
export async function fluentdVersion(
  launch: Launch,
  options: ShortRunOptions,
): Promise<string | undefined> {
  const argv = [...dryRunArgv(launch).slice(0, -1), "--version"];
  const { stdout } = await asService(launch, argv, timeoutOf(options), options);
  return /\b(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
}

async function mustBeFile(configPath: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(configPath);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw invalid(configPath, "no such file", []);
    // The service's user may read what we may not: the dry run will tell.
    return;
  }
  if (!info.isFile) {
    throw invalid(configPath, "it is no regular file, so that it cannot be checked", []);
  }
}

/** Runs with the service's environment and as its user: root may read what that user may not. */
async function asService(
  { env = {}, user }: Launch,
  argv: readonly string[],
  timeoutMs: number,
  { signal }: WaitOptions,
): Promise<RunResult> {
  const command = user === undefined ? argv : ["runuser", "-u", user, "--", ...argv];
  if (user !== undefined && Deno.uid() !== 0) {
    throw fluentdError(
      "AGENT_PRIVILEGE",
      `Cannot check the config as user "${user}", who runs the service: run gserver as root or ` +
        `as that user, or ask with skip_validate`,
      { metadata: { user } },
    );
  }
  try {
    return await run(command, { timeoutMs, signal, env });
  } catch (error) {
    if (
      !(error instanceof Deno.errors.NotFound) && !(error instanceof Deno.errors.PermissionDenied)
    ) throw error;
    const program = command[0] ?? "";
    throw fluentdError(
      "COMMAND_NOT_FOUND",
      `Cannot run "${program}": ${error.message}. Install it, or name fluentd's full path`,
      { metadata: { command: program }, cause: error },
    );
  }
}

function invalid(configPath: string, message: string, lines: readonly string[]) {
  const [first = ""] = tailOf([message]);
  const description = first.slice(0, FIRST_LINE_LENGTH);
  return fluentdError("CONFIG_INVALID", `Config ${configPath} is invalid: ${description}`, {
    metadata: { config: configPath, output: tailOf(lines).join("\n").slice(-DETAIL_LENGTH) },
    details: [{
      type: "google.rpc.BadRequest",
      value: { fieldViolations: [{ field: configPath, description }] },
    }],
  });
}
