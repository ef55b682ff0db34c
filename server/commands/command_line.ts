/**
 * A command in one string, as a list of arguments. No shell is asked, and none is imitated
 * beyond quotes.
 *
 *     fluentd -v                      → ["fluentd", "-v"]
 *     '/opt/my fluent/bin' "-c a"     → ["/opt/my fluent/bin", "-c a"]
 *
 * @module
 */
import { UsageError } from "../../shared/cli/usage_error.ts";

/** @throws {UsageError} If there is no command, or a quote without its end. */
export function parseCommand(text: string): string[] {
  const words: string[] = [];
  const WORD = /\s*((?:[^\s'"]+|'[^']*'|"[^"]*")+)/y;
  while (WORD.lastIndex < text.trimEnd().length) {
    const at = WORD.lastIndex;
    const [, word] = WORD.exec(text) ?? [];
    if (word === undefined) {
      throw new UsageError(`A quote has no end: ${text.slice(at).trim()}`);
    }
    words.push(word.replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double));
  }
  if (words.length === 0) throw new UsageError("The command is empty");
  return words;
}
