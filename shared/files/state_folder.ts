/**
 * The folder in which a program keeps what must survive its restart.
 *
 * @module
 */
import { folderFault } from "./modes.ts";

/**
 * Makes the folder, for its owner only, or makes sure of one that is there: who could change it could
 * put other keys and tokens in the place of ours.
 *
 * @throws {Error} If it cannot be made, or others may change it.
 */
export function openStateFolder(path: string): void {
  let fault: string | undefined;
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    fault = folderFault(Deno.statSync(path), path);
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`Cannot make state folder ${path}: ${message}`, { cause });
  }
  if (fault !== undefined) throw new Error(`Cannot use state folder ${path}: ${fault}`);
}
