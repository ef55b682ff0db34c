/**
 * Runs the `deno` that runs this, with a time limit.
 *
 * @module
 */

/** How a command ended. */
export interface ToolResult {
  readonly success: boolean;
  /** It was ended because its time was over. */
  readonly timedOut: boolean;
  readonly stderr: string;
}

/** Runs `deno` with `args`; its output is kept for when it fails. */
export async function deno(
  args: readonly string[],
  options: { timeoutMs: number; cwd?: string },
): Promise<ToolResult> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal,
  }).output();
  const text = new TextDecoder().decode(stderr);
  return { success, timedOut: !success && signal.aborted, stderr: text };
}
