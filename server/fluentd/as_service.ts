/**
 * Runs Fluentd for a short time with the rights, the environment and the folder that the service has, so that
 * it can neither read nor write more than the service.
 *
 * @module
 */
import { accountOf, groupsOf } from "./system/account.ts";
import { fluentdError } from "./failures.ts";
import type { Launch } from "./manager/launch.ts";
import { run, type RunResult, type WaitOptions } from "./system/run.ts";

/** How to go without a check, for those who cannot have one. */
export const SKIP =
  "go without the check: Start with skip_validate (gclient: --set skipValidate=true), Restart with " +
  "validate_first off (--set validateFirst=false)";

/** Options of a short run. */
export interface AsServiceOptions extends WaitOptions {
  readonly timeoutMs: number;
}

/**
 * Runs `argv` as the service that `launch` starts.
 *
 * @throws {RpcError} `AGENT_PRIVILEGE`, `COMMAND_NOT_FOUND`.
 * @throws {TimeoutError} If it takes too long.
 */
export async function runAsService(
  launch: Launch,
  argv: readonly string[],
  options: AsServiceOptions,
): Promise<RunResult> {
  const { env = {}, cleanEnv, cwd } = launch;
  const command = [...await becoming(launch, options), ...argv];
  try {
    return await run(command, { ...options, env, cleanEnv, cwd });
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

/** The command before the command, which takes the service's user and groups. */
async function becoming(
  { user, group, groups = [] }: Launch,
  options: WaitOptions,
): Promise<string[]> {
  if (user === undefined) return [];
  const own = Deno.uid();
  const account = await accountOf(user, options);
  const uid = account?.uid ?? (/^\d+$/.test(user) ? Number(user) : user === "root" ? 0 : undefined);
  if (uid === own && (own !== 0 || group === undefined && groups.length === 0)) return [];
  if (own !== 0) {
    throw fluentdError(
      "AGENT_PRIVILEGE",
      `Cannot check the config as user "${user}", as whom the service runs: run gserver as that user ` +
        `or as root, or ${SKIP}`,
      { metadata: { user } },
    );
  }
  if (uid === undefined) {
    throw fluentdError(
      "AGENT_PRIVILEGE",
      `Cannot check the config as user "${user}", as whom the service runs: there is no such user ` +
        `now. With DynamicUser= there is one only while the service runs; ${SKIP}`,
      { metadata: { user } },
    );
  }
  const all = [...await groupsOf(user, options), ...groups].join(",");
  return [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${group ?? account?.gid ?? uid}`,
    ...(all === "" ? ["--clear-groups"] : [`--groups=${all}`]),
    "--",
  ];
}
