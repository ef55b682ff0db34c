/**
 * One call of the demo: shown, made, and compared with what was expected.
 *
 * @module
 */
import { type CallResult, gclient } from "./programs.ts";
import { bad, command, good, output } from "./show.ts";

/** A long output is shown by this many lines of its beginning and of its end. */
const KEPT_LINES = 6;
const MAX_LINE = 160;

/** What the steps share. */
export interface DemoStage {
  readonly dir: string;
  readonly signal: AbortSignal;
  callAddress: string;
  failures: number;
}

/** What a call is to give. */
export interface ExpectedResult {
  /** @default 0 */
  code?: number;
  /** What stdout and stderr together must contain. */
  text: RegExp;
  /** What that means. */
  meaning: string;
  stdin?: string;
}

/** Runs gclient, shows it, and compares. */
export async function call(
  stage: DemoStage,
  args: readonly string[],
  expected: ExpectedResult,
): Promise<void> {
  const { code = 0, text, meaning, stdin } = expected;
  const feed = stdin === undefined ? "" : `echo '${stdin}' | `;
  const address = stage.callAddress;
  command(`${feed}gclient ${args.join(" ")} -s ${address}`);
  const { signal, dir: cwd } = stage;
  const input = stdin === undefined ? {} : { stdin };
  const result = await gclient([...args, "-s", address], { ...input, signal, cwd });
  output(short(result));
  if (result.code === code && text.test(result.stdout + result.stderr)) {
    good(code === 0 ? meaning : `${meaning} (exit code ${code})`);
    return;
  }
  stage.failures++;
  bad(`exit code ${result.code}, expected ${code} and ${text}`);
}

/** Long outputs lose their middle and long lines their end: this is a demo, not a log. */
function short({ stdout, stderr }: CallResult): string {
  const lines = `${stdout}${stderr}`.trimEnd().split("\n");
  const hidden = lines.length - 2 * KEPT_LINES;
  const kept = hidden > 1
    ? [...lines.slice(0, KEPT_LINES), `… ${hidden} more lines …`, ...lines.slice(-KEPT_LINES)]
    : lines;
  return kept.map((line) => line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line)
    .join("\n");
}
