/**
 * Where Fluentd keeps what comes in while one supervisor takes over from another, and the chunks that
 * it gives up. By default it is a folder that all Fluentds of a machine share, and that belongs to
 * whoever was first: the Fluentd of another user can then not write there, and a takeover makes a
 * healthy one crash again and again.
 *
 * @see https://docs.fluentd.org/deployment/zero-downtime-restart
 * @module
 */
import { dirname } from "node:path";
import { DEFAULT_CONFIG_PATH } from "./launch.ts";
import { readEnv } from "../system/proc.ts";

/** The variable by which Fluentd is told another place. */
export const BACKUP_DIR = "FLUENT_BACKUP_DIR";
const DEFAULT_DIR = "/tmp/fluent";
/** What a takeover makes there. */
const BUFFER = "source-only-buffer";

/**
 * Why a Fluentd could not keep anything during a takeover.
 *
 * @param pid One of its processes.
 * @param configPath Its configuration, which may name another place (`root_dir`).
 * @returns `undefined` if it could, or if that cannot be known.
 */
export async function backupObstacle(
  pid: number,
  configPath: string = DEFAULT_CONFIG_PATH,
): Promise<string | undefined> {
  const set = await readEnv(pid, BACKUP_DIR);
  const owner = await stat(`/proc/${pid}`);
  if (set === undefined || owner === undefined || owner.uid === 0) return undefined;
  if (await mayNameAnother(configPath)) return undefined;
  // The nearest that is there: in it the next one would be made.
  let path = `${set || DEFAULT_DIR}/${BUFFER}`;
  let found = await statFor(pid, path);
  while (found === undefined && path !== dirname(path)) {
    path = dirname(path);
    found = await statFor(pid, path);
  }
  if (found === undefined || mayWrite(found, owner)) return undefined;
  return `its user (UID ${owner.uid}) cannot write to ${path} of UID ${found.uid}, where fluentd ` +
    `keeps what comes in meanwhile. Remove it, or set ${BACKUP_DIR} or the system's root_dir`;
}

/** As that process sees it: a service may have a /tmp of its own. */
async function statFor(pid: number, path: string): Promise<Deno.FileInfo | undefined> {
  return await stat(`/proc/${pid}/root${path}`) ?? await stat(path);
}

function stat(path: string): Promise<Deno.FileInfo | undefined> {
  return Deno.stat(path).catch(() => undefined);
}

function mayWrite({ uid, gid, mode }: Deno.FileInfo, user: Deno.FileInfo): boolean {
  const bit = uid === user.uid ? 0o200 : gid === user.gid ? 0o020 : 0o002;
  return mode === null || (mode & bit) !== 0;
}

/** A file that is included may say it too. */
async function mayNameAnother(configPath: string): Promise<boolean> {
  const text = await Deno.readTextFile(configPath).catch(() => "@include");
  return /\broot_dir\b|[@!]include\b/.test(text);
}
