/**
 * Text from elsewhere, made safe for a terminal.
 *
 * @module
 */
import { OBEYED } from "../shared/safe_json.ts";

/** What no format writes as it is, and the controls that JSON escapes by itself. */
const UNSAFE = new RegExp(`[\\x00-\\x1f]|${OBEYED.source}`, "g");

/**
 * Escapes control characters, so that a server's message cannot move the cursor, change the title or
 * forge another line.
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
