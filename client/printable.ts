/**
 * Text from elsewhere, made safe for a terminal.
 *
 * @module
 */

/**
 * Escapes control characters, so that a server's message cannot move the cursor, change the title or
 * forge another line.
 */
export function printable(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex -- controls are the point
    /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
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
