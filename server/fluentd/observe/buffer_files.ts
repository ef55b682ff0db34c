/**
 * What is in the file buffers of a Fluentd, by the files themselves: they are there whether it runs
 * or not, and outlive it.
 *
 * @module
 */
import { glob } from "node:fs/promises";
import { dirname } from "node:path";
import type { ConfigFacts } from "../config/reader.ts";

/** Chunks that are counted; a count that stops there is no answer. */
export const MAX_CHUNKS = 20_000;

/**
 * Bytes in file buffers.
 *
 * @returns `undefined` if it cannot be known: no config that we can read, a buffer in files of which
 *   the place is not told, folders that we may not read, or too many files.
 */
export async function bytesInBufferFiles(
  config: ConfigFacts | undefined,
): Promise<number | undefined> {
  const inFiles = config?.outputs.filter(({ buffer }) => buffer === "file");
  if (inFiles === undefined) return undefined;
  const patterns = new Set<string>();
  for (const { files } of inFiles) {
    if (files === undefined) return undefined;
    for (const pattern of files) patterns.add(pattern);
  }
  const sizes = new Map<string, number>();
  for (const pattern of patterns) {
    if (!await isReadable(pattern)) return undefined;
    for await (const path of glob(pattern)) {
      sizes.set(path, await sizeOf(path));
      if (sizes.size > MAX_CHUNKS) return undefined;
    }
  }
  return [...sizes.values()].reduce((total, size) => total + size, 0);
}

/** A chunk that was delivered while we counted has no bytes. */
async function sizeOf(path: string): Promise<number> {
  try {
    const { isFile, size } = await Deno.stat(path);
    return isFile ? size : 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** A pattern finds nothing in a folder that we may not read, which is not the same as nothing there. */
async function isReadable(pattern: string): Promise<boolean> {
  const folder = dirname(pattern.slice(0, pattern.search(/[*?[{]|$/) + 1));
  try {
    for await (const _ of Deno.readDir(folder)) break;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return true;
    }
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}
