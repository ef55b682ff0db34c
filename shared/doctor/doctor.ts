/**
 * A doctor from its checks to its exit code: the same for each program that has one.
 *
 * @module
 */
import type { Context } from "../cli/command.ts";
import { writeBundle } from "./bundle.ts";
import { type Check, type Checked, checkedText, examine } from "./check.ts";

/** Exit code: a check failed. */
export const CHECK_FAILED = 3;

/** Makes the checks in their order, and prints each. @returns All of them. */
export function examineAloud(
  checks: readonly Check[],
  { stdout }: Pick<Context["io"], "stdout">,
): Promise<Checked[]> {
  return examine(checks, (one) => stdout.write(checkedText(one)));
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
