/**
 * The bytes of a request as text: UTF-8, with or without a byte order mark.
 *
 * @module
 */
import { UsageError } from "../../shared/cli/program.ts";

const NEWLINE = 0x0a;

/**
 * All of it.
 *
 * @param source For errors: a file's name, or `stdin`.
 * @throws {UsageError} If it is no UTF-8. It names the line, and how to make UTF-8 of it.
 */
export function decodeText(bytes: Uint8Array, source: string): string {
  const hint = utf16Hint(bytes);
  if (hint === undefined) {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      // The line is looked for below.
    }
  }
  throw notUtf8(`${source}:${badLine(bytes)}`, hint);
}

/** What {@linkcode decodeText} throws, for text that is read as it comes. */
export function notUtf8(source: string, hint?: string): UsageError {
  return new UsageError(`${source}: Expected UTF-8 text, found other bytes`, {
    hint: hint ?? "Convert it, as with iconv -f LATIN1 -t UTF-8",
  });
}

/** Of UTF-16, what Windows calls Unicode: each second byte of a document's beginning is 0. */
export function utf16Hint([first, second, third]: Uint8Array): string | undefined {
  const hasMark = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (!hasMark && first !== 0 && (second !== 0 || third === undefined)) return undefined;
  return "It looks like UTF-16: convert it with iconv -f UTF-16 -t UTF-8";
}

/** No character of UTF-8 has a newline's byte in it, so each line can be looked at by itself. */
function badLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let line = 1, start = 0;; line++) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end < 0) return line;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    start = end + 1;
  }
}
