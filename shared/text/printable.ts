/**
 * Text from elsewhere, made safe for a terminal: the one way in which logs and errors do it. JSON,
 * and with it the audit, has `safeJson`, which escapes the same characters as JSON does.
 *
 * @module
 */
import { OBEYED } from "./safe_json.ts";

/** What no format writes as it is, and the controls that JSON escapes by itself. */
const UNSAFE = new RegExp(`[\\x00-\\x1f]|${OBEYED.source}`, "g");

/**
 * Escapes control characters and the marks that turn text around, so that a peer's text cannot move
 * the cursor, change the title, forge another line or show a name as another one.
 */
export function printable(text: string): string {
  return text.replace(
    UNSAFE,
    (character) => {
      const code = character.charCodeAt(0);
      if (character === "\n") return "\\n";
      if (character === "\t") return " ";
      return code < 0x100
        ? `\\x${code.toString(16).padStart(2, "0")}`
        : `\\u${code.toString(16).padStart(4, "0")}`;
    },
  );
}

/** The same for text that may have several lines, such as our own errors. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
