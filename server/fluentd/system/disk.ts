/**
 * Whether the disks that Fluentd needs have room.
 *
 * @module
 */
import type { StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { deadline, TimeoutError } from "../../../shared/async/deadline.ts";

/** With less than this free, a log line or a chunk does not fit. */
export const FULL_BELOW_BYTES = 64 * 1024;
/** A disk that does not answer, such as a dead network file system, is not waited for. */
export const STATFS_MS = 1000;
/** Those that have been asked and have not answered: each keeps a thread, until it does. */
const asked = new Map<string, { readonly answer: Promise<StatsFs>; readonly untilMs: number }>();

/** The files among these that are on a full disk. One that is not there has the disk of its folder. */
export async function onFullDisk(paths: Iterable<string>): Promise<string[]> {
  const unique = [...new Set(paths)];
  const full = await Promise.all(unique.map(isOnFullDisk));
  return unique.filter((_, i) => full[i]);
}

async function isOnFullDisk(path: string): Promise<boolean> {
  for (const place of [path, dirname(path)]) {
    try {
      const { blocks, bavail, bsize, ffree, files } = await statfsOf(place);
      // What has no size is no disk: a pipe, such as /dev/stdout in a container.
      if (blocks === 0) return false;
      // Some file systems have no fixed number of files, and say 0 of 0.
      return bavail * bsize < FULL_BELOW_BYTES || files > 0 && ffree === 0;
    } catch (error) {
      // Nor would the folder of the file answer.
      if (error instanceof TimeoutError) return false;
      // It is not there, or not ours to ask: the folder may be.
    }
  }
  return false;
}

/** @throws {TimeoutError} If it does not answer, or has not answered an earlier question. */
async function statfsOf(place: string): Promise<StatsFs> {
  const nowMs = performance.now();
  const pending = asked.get(place) ?? {
    answer: statfs(place).finally(() => asked.delete(place)),
    untilMs: nowMs + STATFS_MS,
  };
  asked.set(place, pending);
  if (pending.untilMs <= nowMs) throw new TimeoutError(`The disk of ${place} does not answer`);
  return await deadline(pending.answer, pending.untilMs - nowMs, { what: "statfs" });
}
