/**
 * Files that change in one step, as who takes care changes them: nobody reads half of one.
 *
 * @module
 */

/** Replaces a file, or makes it. @param mode @default readable by its owner alone */
export async function replaceFile(path: string, text: string, mode = 0o600): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, text, { mode });
  await Deno.rename(`${path}.new`, path);
}
