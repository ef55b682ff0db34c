/**
 * A hub's state folder, looked at from outside: whose it is, and whether a hub uses it now.
 *
 * @module
 */
import { canAskReload } from "../../../shared/cli/reload_socket.ts";
import type { Finding } from "../../../shared/doctor/check.ts";
import { statOf } from "../../../shared/files/file_info.ts";
import { folderFault, secretFault } from "../../../shared/files/modes.ts";
import { isLocked } from "../../../shared/files/state_lock.ts";
import { findStateFolder } from "../../../shared/files/state_folder.ts";
import { HUB_LOCK_FILE } from "../../locked_files.ts";

const ROOT = 0;
/** What others must not read. */
const SECRET = /\.(?:token|key)$/;

/** A state folder, or that there is none. */
export class StateLook {
  readonly path: string | undefined;
  #running: Promise<boolean> | undefined;

  constructor(path: string | undefined) {
    this.path = path;
  }

  /** Whether it is there. */
  get exists(): boolean {
    return this.path !== undefined && statOf(this.path) !== undefined;
  }

  /** Whether a hub has it now. @throws {Error} If this user may not know. */
  get isRunning(): Promise<boolean> {
    return this.#running ??= this.#look();
  }

  async finding(): Promise<Finding> {
    const { path } = this;
    if (path === undefined) {
      const remedy = "Name a folder with --state-dir";
      return { level: "warn", text: "there is none: tokens live in memory only", remedy };
    }
    const info = statOf(path);
    if (info === undefined) return { text: `${path} is not there: the hub makes it at its start` };
    const fault = whoseFault(path, info) ?? secretsFault(path);
    if (fault !== undefined) throw new Error(fault);
    const mode = ((info.mode ?? 0) & 0o777).toString(8).padStart(4, "0");
    const use = await this.isRunning ? "a hub runs with it" : "no hub runs with it";
    return { text: `${path}, mode ${mode}, of user ${info.uid}; ${use}` };
  }

  async #look(): Promise<boolean> {
    const { path } = this;
    if (path === undefined) return false;
    // First: a hub that starts in this moment is not kept from its lock.
    return await canAskReload(path) || await isLocked(`${path}/${HUB_LOCK_FILE}`);
  }
}

/** What keeps the hub from using it, as the user that has it. */
function whoseFault(path: string, info: Deno.FileInfo): string | undefined {
  const own = Deno.uid();
  if (own === ROOT && info.uid !== own) return folderFault(info, path);
  findStateFolder(path);
  return undefined;
}

function secretsFault(path: string): string | undefined {
  for (const { name } of Deno.readDirSync(path)) {
    const file = `${path}/${name}`;
    const info = SECRET.test(name) ? statOf(file) : undefined;
    const fault = info && secretFault(info, file);
    if (fault !== undefined) return `${file}: ${fault}`;
  }
  return undefined;
}
