/**
 * A doctor from its checks to its exit code: the same for each program that has one.
 *
 * @module
 */
import type { Context } from "../cli/command.ts";
import type { Options } from "../cli/option.ts";
import { DURATION } from "../cli/parse_duration.ts";
import { bundleOption, writeBundle } from "./bundle.ts";
import { type Check, type Checked, checkedText, examine } from "./check.ts";

/** Exit code: a check failed. */
export const CHECK_FAILED = 3;

/** The flags that each doctor has. */
export const doctorOptions = {
  bundle: bundleOption,
  output: {
    flag: "--output",
    short: "-o",
    value: "FORMAT",
    choices: ["text", "json"],
    defaultText: "text",
    help: "Text for people, or a line of JSON for each check",
    perRun: true,
  },
} as const satisfies Options;

/** The flag of those that look at a connection. */
export const idleOption = {
  flag: "--idle",
  ...DURATION,
  defaultText: "not at all",
  help: "Also keeps a connection silent for this long, and checks whether it is still there",
  perRun: true,
} as const;

/** What of a doctor's options says how it prints. */
export interface Aloud {
  /** @default "text" */
  readonly output: "text" | "json" | undefined;
  /** What is checked, where a doctor looks at several of a kind. @default it looks at one */
  readonly of?: string | undefined;
}

/** Makes the checks in their order, and prints each. @returns All of them. */
export async function examineAloud(
  checks: readonly Check[],
  { stdout }: Pick<Context["io"], "stdout">,
  { output, of }: Aloud,
): Promise<Checked[]> {
  const isJson = output === "json";
  if (of !== undefined && !isJson) await stdout.write(`${of}\n`);
  return await examine(
    checks,
    (one) => stdout.write(isJson ? `${JSON.stringify({ of, ...one })}\n` : checkedText(one)),
  );
}

/**
 * Writes the bundle, where one is wanted. @returns The exit code.
 *
 * @throws {UsageError} If it cannot be written.
 */
export function concludeDoctor(
  checks: readonly Checked[],
  { program, bundle, context: { given, env } }: {
    readonly program: string;
    /** Path of the file. @default none is wanted */
    readonly bundle: string | undefined;
    readonly context: Pick<Context, "given" | "env">;
  },
): number {
  if (bundle !== undefined) writeBundle(bundle, { program, checks, given, env });
  return checks.some(({ level }) => level === "fail") ? CHECK_FAILED : 0;
}
