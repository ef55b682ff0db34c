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

/**
 * What of the builder's environment steers `deno`: with more, the flags of an executable (V8's,
 * authorities, telemetry) would depend on who built it.
 */
const KEPT = /^DENO_(DIR|TLS_CA_STORE)$|^DENORT_BIN$/;
const STEERS = /^(DENO|DENORT|OTEL)_/;

/** Runs `deno` with `args`; its output is kept for when it fails. */
export async function deno(
  args: readonly string[],
  options: { timeoutMs: number; cwd?: string; env?: Readonly<Record<string, string>> },
): Promise<ToolResult> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const mine = { ...Deno.env.toObject(), ...options.env };
  const env = Object.entries(mine).filter(([name]) => KEPT.test(name) || !STEERS.test(name));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    clearEnv: true,
    env: { ...Object.fromEntries(env), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal,
  }).output();
  const text = new TextDecoder().decode(stderr);
  return { success, timedOut: !success && signal.aborted, stderr: text };
}
