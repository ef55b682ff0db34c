/**
 * Has tests start the bundles that the executables are made of, in place of 300 files of sources: a hub
 * starts for a third less of a processor, and tests start some hundred. The same for the programs of
 * `tests/support/` that tests start most often, such as a gserver with Echo.
 *
 * @module
 */
import { bundle, BUNDLE_TIMEOUT_MS, inAscii } from "../build/bundle.ts";
import { PROGRAMS } from "../build/programs.ts";
import { deno } from "../build/tool.ts";
import { BUNDLES_VARIABLE } from "./bundle_of.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** Programs that only tests have. */
const HELPERS: readonly string[] = [
  "tests/support/echo_gserver.ts",
  "tests/support/echo_server.ts",
  "tests/support/fluentd_host.ts",
  "tests/support/witness_gserver.ts",
];

/**
 * Bundles the programs and the helpers into a folder, and gives the environment by which tests find
 * them.
 *
 * @throws {Error} If `deno bundle` does not work here; it may need the network.
 */
export async function bundlePrograms(dir: string): Promise<Record<string, string>> {
  await Promise.all(PROGRAMS.map(async (program) => {
    await Deno.writeFile(`${dir}/${program.name}.js`, await bundle(program, ROOT));
  }));
  return await bundleHelpers(dir);
}

/** The same for the helpers alone, where executables take the place of the programs. */
export async function bundleHelpers(dir: string): Promise<Record<string, string>> {
  const drafts = await Deno.makeTempDir({ prefix: "ghub-helpers-" });
  try {
    // One process reads what they share once.
    const args = ["bundle", "--platform", "deno", "--outdir", drafts, ...HELPERS];
    const result = await deno(args, { timeoutMs: BUNDLE_TIMEOUT_MS, cwd: ROOT });
    if (!result.success) throw new Error(`Cannot bundle the helpers:\n${result.stderr.trim()}`);
    for (const { name } of Deno.readDirSync(drafts)) {
      await Deno.writeTextFile(
        `${dir}/${name}`,
        inAscii(await Deno.readTextFile(`${drafts}/${name}`)),
      );
    }
  } finally {
    await Deno.remove(drafts, { recursive: true });
  }
  return { [BUNDLES_VARIABLE]: dir };
}
