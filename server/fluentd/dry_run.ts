/**
 * Asks fluentd itself whether the config is valid, the way it would be started.
 *
 * The files on disk are checked, not a copy on standard input: fluentd reads its config twice,
 * so `-c /dev/stdin` passes whatever it holds. Embedded Ruby in a config runs here just as in
 * a start: this check is no safer than starting.
 *
 * @module
 */
import { resolve } from "node:path";
import { TimeoutError } from "../../shared/async/deadline.ts";
import { lstatOf } from "../../shared/files/file_info.ts";
import { accountOf, groupIdOf } from "./system/account.ts";
import { runAsService, SKIP } from "./as_service.ts";
import { causeSentence, stackLast } from "./log/cause_sentence.ts";
import { readConfig } from "./config/reader.ts";
import { fluentdError } from "./failures.ts";
import {
  DEFAULT_CONFIG_PATH,
  dryRunArgv,
  dryRunObstacle,
  type Launch,
  ownUserOf,
  readLaunch,
  versionArgv,
} from "./manager/launch.ts";
import { TAIL_LINES, tailOf } from "./log/tail.ts";
import type { RunResult, WaitOptions } from "./system/run.ts";

/**
 * A third of a second is usual, ten on a busy machine; a dry run that hangs is called invalid. More
 * time for the whole operation is more time for this part of it too.
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
  mustBeCheckable(launch);
  await mustBeFile(resolve(launch.cwd ?? "", configPath));
  await prepareRootDir(launch, configPath, options);
  const timeoutMs = timeoutOf(options);
  let result: RunResult;
  try {
    result = await runAsService(launch, dryRunArgv(launch), { ...options, timeoutMs });
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    throw invalid(configPath, `the dry run took longer than ${Math.round(timeoutMs / 1000)} s`, []);
  }
  if (result.code === 0) return;
  const lines = `${result.stdout}\n${result.stderr}`.split("\n").filter((line) => line !== "");
  const message = causeSentence(lines) ?? `the dry run ended with exit code ${result.code}`;
  throw invalid(configPath, message, lines);
}

/** What `fluentd --version` says: `1.18.0`. */
export async function fluentdVersion(
  launch: Launch,
  options: ShortRunOptions,
): Promise<string | undefined> {
  const timeoutMs = timeoutOf(options);
  const { stdout } = await runAsService(launch, versionArgv(launch), { ...options, timeoutMs });
  return /\b(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
}

/** @throws {RpcError} If what would be checked is not known, or would be no check. */
function mustBeCheckable(launch: Launch): void {
  const obstacle = dryRunObstacle(launch);
  if (obstacle !== undefined) {
    throw fluentdError(
      "CONFIG_UNCHECKABLE",
      `Cannot check the config: ${obstacle}. Name Fluentd's own program in the command, or ${SKIP}`,
    );
  }
  const [file] = launch.unreadable ?? [];
  if (file === undefined) return;
  throw fluentdError(
    "AGENT_PRIVILEGE",
    `Cannot check the config: this gserver may not read ${file}, which has a part of the service's ` +
      `environment. Let its user read that file, or ${SKIP}`,
    { metadata: { file } },
  );
}

/**
 * A Fluentd that begins as root and becomes another user makes its `root_dir` before that, in a dry run
 * too. Its workers could not write there then: so it is made for them.
 */
async function prepareRootDir(
  launch: Launch,
  configPath: string,
  options: ShortRunOptions,
): Promise<void> {
  const { user, group } = ownUserOf(launch);
  if (user === undefined || Deno.uid() !== 0 || (launch.user ?? "root") !== "root") return;
  const { rootDir } =
    await readConfig(configPath, { cwd: launch.cwd, yaml: readLaunch(launch).yaml }) ?? {};
  const account = await accountOf(user, options);
  if (rootDir === undefined || account === undefined || lstatOf(rootDir) !== undefined) return;
  await Deno.mkdir(rootDir, { recursive: true, mode: 0o755 });
  const gid = group === undefined ? account.gid : await groupIdOf(group, options);
  await Deno.chown(rootDir, account.uid, gid ?? account.gid);
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

/** What it said, the stack last: that is what is cut off. */
function masked(lines: readonly string[]): string {
  const said = stackLast(lines).slice(0, TAIL_LINES);
  return tailOf(said).join("\n");
}

function invalid(configPath: string, message: string, lines: readonly string[]) {
  const [first = ""] = tailOf([message]);
  const description = first.slice(0, FIRST_LINE_LENGTH);
  return fluentdError("CONFIG_INVALID", `Config ${configPath} is invalid: ${description}`, {
    metadata: { config: configPath, output: masked(lines).slice(0, DETAIL_LENGTH) },
    details: [{
      type: "google.rpc.BadRequest",
      value: { fieldViolations: [{ field: configPath, description }] },
    }],
  });
}
