/**
 * One suite of calls for every path: what gRPC promises holds direct and through the hub.
 *
 * @module
 */
import type { Case } from "./call_suite/case.ts";
import { endings } from "./call_suite/endings.ts";
import { flow } from "./call_suite/flow.ts";
import { kinds } from "./call_suite/kinds.ts";
import { metadata } from "./call_suite/metadata.ts";
import { sizes } from "./call_suite/sizes.ts";
import type { Path } from "./support/path.ts";

const suite = { kinds, metadata, endings, sizes, flow } satisfies Record<string, readonly Case[]>;

type Part = keyof typeof suite;

/** Runs every case over `path`, each as a step; or those of some parts. */
export async function callSuite(
  t: Deno.TestContext,
  path: Path,
  parts: readonly Part[] = Object.keys(suite) as Part[],
): Promise<void> {
  using client = path.client();
  for (const part of parts) {
    for (const [name, run] of suite[part]) {
      await t.step(`${path.name}: ${part}: ${name}`, async () => await run(client, path));
    }
  }
}
