/**
 * Writes a certificate and its key to files: the key readable by its owner only from its first
 * byte on, and neither file ever seen half written.
 *
 * @module
 */
import type { CertificatePair } from "./generate.ts";

/** Where {@linkcode saveCertificate} writes. */
export interface SaveOptions {
  certFile: string;
  keyFile: string;
  /**
   * Replace files that are there already.
   *
   * @default {false}
   */
  force?: boolean;
}

/**
 * Writes both files.
 *
 * @throws {Deno.errors.AlreadyExists} If one of them exists and `force` is not set; nothing is
 * written then.
 */
export async function saveCertificate(pair: CertificatePair, options: SaveOptions): Promise<void> {
  const { certFile, keyFile, force = false } = options;
  if (!force) {
    for (const path of [certFile, keyFile]) {
      if (await isThere(path)) {
        throw new Deno.errors.AlreadyExists(`Cannot write "${path}": it exists already`);
      }
    }
  }
  // The key first: a certificate without its key is worth nothing, a key alone does no harm.
  await replaceFile(keyFile, pair.key, 0o600);
  await replaceFile(certFile, pair.cert, 0o644);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Writes beside the file and renames: the mode is right from the start, whatever was there. */
async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.${crypto.randomUUID()}.new`;
  try {
    await Deno.writeTextFile(draft, text, { createNew: true, mode });
    await Deno.rename(draft, path);
  } catch (error) {
    await Deno.remove(draft).catch(() => {});
    throw error;
  }
}
