/**
 * Has tests start the bundles that the executables are made of, in place of 300 files of sources: a hub
 * starts for a third less of a processor, and tests start some hundred.
 *
 * @module
 */
import { bundle } from "../build/bundle.ts";
import { PROGRAMS } from "../build/programs.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/**
 * Bundles the programs into a folder, and gives the environment by which tests find them.
 *
 * @throws {Error} If `deno bundle` does not work here; it may need the network.
 */
export async function bundlePrograms(dir: string): Promise<Record<string, string>> {
  await Promise.all(PROGRAMS.map(async (program) => {
    await Deno.writeFile(`${dir}/${program.name}.js`, await bundle(program, ROOT));
  }));
  return { GHUB_BUNDLES: dir };
}
