/**
 * The executables, for tests of machines on which there is nothing else.
 *
 * @module
 */
import { BUNDLES_VARIABLE } from "../../scripts/run_tests/bundle_of.ts";
import { REPOSITORY, toolEnv } from "./process.ts";

/** A folder that has them already: `deno task test:system --programs`. */
const PROGRAMS = "GHUB_PROGRAMS";
/**
 * A folder of all files of a run of `deno task test`: what the first one builds, the others take.
 * Without it, each file builds them once for itself.
 */
const SHARED = BUNDLES_VARIABLE;

let built: Promise<string> | undefined;

/** The folder of `ghub`, `gserver` and `gclient`. */
export async function builtPrograms(): Promise<string> {
  const given = Deno.env.get(PROGRAMS) ?? "";
  return given === "" ? await (built ??= buildOnce()) : given;
}

async function buildOnce(): Promise<string> {
  const shared = Deno.env.get(SHARED);
  if (shared === undefined) {
    const dir = await Deno.makeTempDir({ prefix: "ghub-programs-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));
    return await build(dir);
  }
  using file = await Deno.open(`${shared}/built.lock`, { create: true, write: true });
  await file.lock(true); // Until it is closed.
  const dir = `${shared}/built`;
  const isThere = await Deno.stat(dir).then(() => true, () => false);
  if (isThere) return dir;
  // Renamed when all are there: a build that fails leaves the next one to try.
  await Deno.rename(await build(await Deno.makeTempDir({ dir: shared })), dir);
  return dir;
}

async function build(dir: string): Promise<string> {
  const script = `${REPOSITORY}scripts/build.ts`;
  const words = ["run", "-A", "--quiet", script, "--out", dir];
  // A minute and more where others run as well: the limit is that of the whole file.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: words,
    cwd: REPOSITORY,
    clearEnv: true,
    env: toolEnv(),
  }).output();
  if (!success) {
    throw new Error(`Cannot build the executables: ${new TextDecoder().decode(stderr)}`);
  }
  return dir;
}
