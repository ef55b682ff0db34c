/**
 * Has each Ruby that a test starts take what another one has compiled, which halves the start of a
 * Fluentd: `compiled_files.rb` says how.
 *
 * @module
 */

const SCRIPT = new URL("compiled_files.rb", import.meta.url);

/**
 * Makes a folder for what is compiled, and gives the environment of all that shall use it.
 *
 * @param cleanup Removes the folder.
 */
export async function keepCompiledFiles(
  cleanup: AsyncDisposableStack,
): Promise<Record<string, string>> {
  // Units with a /tmp of their own see this one too; only root may write there.
  const place = Deno.uid() === 0 ? { dir: "/var/cache" } : {};
  const dir = await Deno.makeTempDir({ prefix: "ghub-tests-", ...place });
  cleanup.defer(() => Deno.remove(dir, { recursive: true }));
  // Tests start Fluentd as other users too.
  await Deno.chmod(dir, 0o1777);
  await Deno.copyFile(SCRIPT, `${dir}/compiled_files.rb`);
  await Deno.chmod(`${dir}/compiled_files.rb`, 0o644);
  return { RUBYOPT: `${Deno.env.get("RUBYOPT") ?? ""} -r${dir}/compiled_files.rb`.trim() };
}
