/**
 * Where the bundles of a run of tests are: the runner makes them once, and says by a variable where.
 *
 * @module
 */
import { existsSync } from "node:fs";

/** Names the folder. */
export const BUNDLES_VARIABLE = "GHUB_BUNDLES";

const FOLDER = Deno.env.get(BUNDLES_VARIABLE);

/** The bundle of a program, or of a helper of tests; `undefined` if it is to be run from its sources. */
export function bundleOf(name: string): string | undefined {
  const path = `${FOLDER}/${name}.js`;
  return FOLDER !== undefined && existsSync(path) ? path : undefined;
}
