/**
 * What a doctor found, as a file for somebody else: without tokens, keys and passwords.
 *
 * @module
 */
import type { Env } from "../cli/command.ts";
import { UsageError } from "../cli/usage_error.ts";
import { replaceFile } from "../files/replace_file.ts";
import { whyUnusable } from "../files/why_unusable.ts";
import { VERSION } from "../version.ts";
import type { Checked } from "./check.ts";

export interface BundleContent {
  readonly program: string;
  readonly checks: readonly Checked[];
  /** The flags that were given. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly env: Env;
}

/** Variables that matter; of these only whether they are set, unless their value is no secret. */
const RELEVANT = /^(?:GHUB|GSERVER|GCLIENT|https?_proxy|all_proxy|no_proxy|NO_COLOR|TERM)/i;
const SECRET = /token|key|secret|password|proxy|header/i;

/** The flag that asks for it. */
export const bundleOption = {
  flag: "--bundle",
  value: "FILE",
  help: "Also writes the result into a file, without tokens and passwords, for somebody who helps",
  complete: "file",
  perRun: true,
} as const;

/**
 * Writes it, for its owner alone.
 *
 * @throws {UsageError} If nothing can be written there.
 */
export function writeBundle(path: string, { program, checks, given, env }: BundleContent): void {
  const shown = (values: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [
        key,
        SECRET.test(key) ? "(set, not shown)" : value,
      ]),
    );
  const relevant = Object.fromEntries(Object.entries(env).filter(([name]) => RELEVANT.test(name)));
  const content = {
    program,
    version: VERSION,
    time: new Date().toISOString(),
    system: Deno.build.target,
    deno: Deno.version.deno,
    options: shown(given),
    environment: shown(relevant),
    checks,
  };
  try {
    replaceFile(path, `${JSON.stringify(content, undefined, 2)}\n`);
  } catch (error) {
    throw new UsageError(`Cannot write --bundle "${path}": ${whyUnusable(error)}`, {
      cause: error,
    });
  }
}
