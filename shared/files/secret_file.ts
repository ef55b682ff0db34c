/**
 * Reads a file that only its owner may read: the file that is looked at is the one that is read.
 *
 * @module
 */
import { rulesFault, secretFault } from "./modes.ts";

/**
 * The text of a file that only its owner may read or change.
 *
 * @throws {Error} That says why not, without the path.
 * @throws {Deno.errors.NotFound} If there is no such file.
 */
export function readSecretFile(path: string, maxBytes: number): string {
  using file = Deno.openSync(path);
  const info = file.statSync();
  const fault = secretFault(info, path) ?? rulesFault(info, path);
  if (fault !== undefined) throw new Error(fault);
  const bytes = new Uint8Array(maxBytes + 1);
  let length = 0;
  while (length <= maxBytes) {
    const n = file.readSync(bytes.subarray(length));
    if (n === null) return new TextDecoder().decode(bytes.subarray(0, length));
    length += n;
  }
  throw new Error(`it has more than ${maxBytes} bytes`);
}
