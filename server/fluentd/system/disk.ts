/**
 * Whether the disks that Fluentd needs have room.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { deadline } from "../../../shared/async/deadline.ts";

/** With less than this free, a log line or a chunk does not fit. */
export const FULL_BELOW_BYTES = 64 * 1024;
/** A disk that does not answer, such as a dead network file system, is not waited for. */
const STATFS_MS = 1000;

/** Of these files, those on a full disk. One that is not there has the disk of its folder. */
export async function onFullDisk(paths: Iterable<string>): Promise<string[]> {
  const unique = [...new Set(paths)];
  const full = await Promise.all(unique.map(isOnFullDisk));
  return unique.filter((_, i) => full[i]);
}

async function isOnFullDisk(path: string): Promise<boolean> {
  for (const place of [path, dirname(path)]) {
    try {
      const { blocks, bavail, bsize, ffree, files } = await deadline(statfs(place), STATFS_MS, {
        what: "statfs",
      });
      // What has no size is no disk: a pipe, such as /dev/stdout in a container.
      if (blocks === 0) return false;
      // Some file systems have no fixed number of files, and say 0 of 0.
      return bavail * bsize < FULL_BELOW_BYTES || files > 0 && ffree === 0;
    } catch {
      // It is not there, or not ours to ask: the folder may be.
    }
  }
  return false;
}
