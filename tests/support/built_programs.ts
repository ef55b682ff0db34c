/**
 * The executables, for tests of machines on which there is nothing else.
 *
 * @module
 */
import { Process, REPOSITORY, toolEnv } from "./process.ts";

/**
 * A folder that has them already: `deno task test:system --programs`. Without it they are built, once
 * for a test file.
 */
const PROGRAMS = "GHUB_PROGRAMS";

let built: Promise<string> | undefined;

/** The folder of `ghub`, `gserver` and `gclient`. */
export async function builtPrograms(): Promise<string> {
  const given = Deno.env.get(PROGRAMS) ?? "";
  return given === "" ? await (built ??= build()) : given;
}

async function build(): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "ghub-programs-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));
  const script = `${REPOSITORY}scripts/build.ts`;
  const words = ["run", "-A", "--quiet", script, "--out", dir];
  const { code, stderr } = await Process.run(words, { env: toolEnv() });
  if (code !== 0) throw new Error(`Cannot build the executables: ${stderr}`);
  return dir;
}
