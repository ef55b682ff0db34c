/**
 * What a doctor does: one check after the other, each with its time, what was found, and a remedy where
 * something is wrong.
 *
 *     ok    DNS        0.4 ms  hub.example is 192.0.2.1
 *     fail  TLS        3.1 ms  The certificate is for other.example
 *           remedy: --tls-server-name gives the name that the certificate has
 *     -     credential         not tried: TLS has failed
 *
 * @module
 */
import { printable } from "../text/printable.ts";

/** What a check found. */
export interface Finding {
  readonly text: string;
  /** `-`: it was not made, and the text says how it would be. @default "ok" */
  readonly level?: "ok" | "warn" | "fail" | "-";
  /** What to do about it. */
  readonly remedy?: string | undefined;
}

export interface Check {
  readonly name: string;
  /** It finds out; what it throws is a failure. `undefined`: there is nothing to check. */
  run(): Promise<Finding | undefined>;
  /** Do later checks make no sense when it fails? @default false */
  readonly isVital?: boolean;
  /** For what `run` throws. */
  remedy?(error: unknown): string | undefined;
}

/** A check that was made, or not. */
export interface Checked {
  readonly name: string;
  readonly level: "ok" | "warn" | "fail" | "-";
  readonly text: string;
  readonly remedy?: string | undefined;
  /** Absent: it was not made. */
  readonly ms?: number;
}

/** Makes the checks in their order, and tells of each. @returns All of them. */
export async function examine(
  checks: readonly Check[],
  tell: (checked: Checked) => Promise<void>,
): Promise<Checked[]> {
  const all: Checked[] = [];
  let broken: string | undefined;
  for (const check of checks) {
    const checked = broken === undefined
      ? await make(check)
      : { name: check.name, level: "-" as const, text: `not tried: ${broken} has failed` };
    all.push(checked);
    await tell(checked);
    if (checked.level === "fail" && check.isVital) broken = check.name;
  }
  return all;
}

async function make({ name, run, remedy }: Check): Promise<Checked> {
  const start = performance.now();
  const ms = () => Math.round((performance.now() - start) * 1e3) / 1e3;
  try {
    const found = await run();
    if (found === undefined) return { name, level: "-", text: "nothing to check" };
    const { level = "ok", text, remedy } = found;
    return { name, level, text, remedy, ...(level !== "-" && { ms: ms() }) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { name, level: "fail", text, remedy: remedy?.(error), ms: ms() };
  }
}

/** A check as lines for people. */
export function checkedText({ name, level, text, remedy, ms }: Checked): string {
  const time = ms === undefined ? "" : `${ms.toFixed(1)} ms`;
  const line = `${level.padEnd(5)} ${name.padEnd(11)} ${time.padStart(10)}  ${text}`;
  const lines = remedy === undefined ? [line] : [line, `      remedy: ${remedy}`];
  return lines.map((one) => `${printable(one)}\n`).join("");
}
