/**
 * Has each Ruby that a test starts take what another one has compiled, which halves the start of a
 * Fluentd: `compiled_files.rb` says how.
 *
 * @module
 */

const SCRIPT = new URL("compiled_files.rb", import.meta.url);

/**
 * Makes a folder for what is compiled and other things that all tests share, also those of other users.
 *
 * @param cleanup Removes it.
 */
export async function sharedFolder(cleanup: AsyncDisposableStack): Promise<string> {
  // Units with a /tmp of their own see this one too; only root may write there.
  const place = Deno.uid() === 0 ? { dir: "/var/cache" } : {};
  const dir = await Deno.makeTempDir({ prefix: "ghub-tests-", ...place });
  cleanup.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o1777);
  return dir;
}

/** Has what is compiled kept in a folder, and gives the environment of all that shall use it. */
export async function keepCompiledFiles(dir: string): Promise<Record<string, string>> {
  await Deno.copyFile(SCRIPT, `${dir}/compiled_files.rb`);
  await Deno.chmod(`${dir}/compiled_files.rb`, 0o644);
  // A runner that a test starts keeps them in a folder of its own.
  const before = (Deno.env.get("RUBYOPT") ?? "").replace(/-r\S*\/compiled_files\.rb/, "").trim();
  return { RUBYOPT: `${before} -r${dir}/compiled_files.rb`.trim() };
}
