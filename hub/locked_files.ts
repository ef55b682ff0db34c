/**
 * The files that one hub alone may write: another hub that has them is told so, and does not start.
 *
 * @module
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { openStateFolder } from "../shared/files/state_folder.ts";
import { lockState } from "../shared/files/state_lock.ts";
import { STDERR } from "./audit/mod.ts";
import type { HubOptions } from "./hub_options.ts";

/** In the state folder. */
export const HUB_LOCK_FILE = "hub.lock";

/**
 * Locks the state folder, and the audit where it lies elsewhere. All workers of a hub share its locks.
 *
 * @throws {Error} If another hub has one of them, or the state folder is not safe.
 */
export async function lockFiles(
  { stateDir, auditLog }: Pick<HubOptions, "stateDir" | "auditLog">,
): Promise<Disposable> {
  using locks = new DisposableStack();
  if (stateDir !== undefined) {
    openStateFolder(stateDir);
    locks.use(
      await lockState(`${stateDir}/${HUB_LOCK_FILE}`, {
        what: `state folder ${stateDir}`,
        flag: "--state-dir",
      }),
    );
  }
  // An audit that lies elsewhere may be another hub's as well.
  if (auditLog !== undefined && dirname(auditLog) !== stateDir && isPlainFile(auditLog)) {
    locks.use(
      await lockState(`${auditLog}.lock`, { what: `audit ${auditLog}`, flag: "--audit-log" }),
    );
  }
  return locks.move();
}

/** Not a device, and in a folder that is there: what is wrong with others, opening them tells. */
function isPlainFile(path: string): boolean {
  if (path === STDERR) return false;
  try {
    const folder = statSync(dirname(path), { throwIfNoEntry: false });
    if (folder === undefined || !folder.isDirectory()) return false;
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
  } catch {
    return false;
  }
}
