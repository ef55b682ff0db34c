/**
 * Writes a certificate and its key to files: the key readable by its owner only from its first
 * byte on, and neither file ever seen half written.
 *
 * @module
 */
import { lstatOf } from "../files/file_info.ts";
import { replaceFile } from "../files/replace_file.ts";
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
export function saveCertificate(pair: CertificatePair, options: SaveOptions): void {
  const { certFile, keyFile, force = false } = options;
  if (!force) {
    for (const path of [certFile, keyFile]) {
      if (lstatOf(path) !== undefined) {
        throw new Deno.errors.AlreadyExists(`Cannot write "${path}": it exists already`);
      }
    }
  }
  // The key first: a certificate without its key is worth nothing, a key alone does no harm.
  replaceFile(keyFile, pair.key);
  replaceFile(certFile, pair.cert, { mode: 0o644 });
}
