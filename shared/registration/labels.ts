/**
 * Labels of a server (docs/protocol.md §2.2), as a header and a flag have them.
 *
 *     env=prod,site=ams   → { env: "prod", site: "ams" }
 *
 *     labels → [ label *( "," label ) ]            at most 64
 *     label  → key "=" value
 *     key    → ( alpha / digit ) *62( alpha / digit / "." / "_" / "-" / "/" )
 *     value  → *128( visible ASCII but "," and "=" )
 *
 * @module
 */
import { trimBlanks } from "../text/blanks.ts";
import { quote } from "../text/quote.ts";

/** More labels than this are refused. */
export const MAX_LABELS = 64;

const KEY = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;
const VALUE = /^[!-+\--<>-~]{0,128}$/;

/** May a label have this key? */
export function isLabelKey(text: string): boolean {
  return KEY.test(text);
}

/** May a label have this value? */
export function isLabelValue(text: string): boolean {
  return VALUE.test(text);
}

/**
 * Reads a list of labels.
 *
 * @throws {SyntaxError} If it does not match the grammar, or names a key twice.
 */
export function parseLabels(text: string): Record<string, string> {
  const labels = new Map<string, string>();
  if (trimBlanks(text) === "") return {};
  for (const part of text.split(",", MAX_LABELS + 1)) {
    if (labels.size === MAX_LABELS) {
      throw new SyntaxError(`Cannot take more than ${MAX_LABELS} labels`);
    }
    const [key, value] = parseLabel(trimBlanks(part));
    if (labels.has(key)) throw new SyntaxError(`Cannot take label ${quote(key)} twice`);
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}

/** @throws {SyntaxError} If it is not one. */
export function parseLabel(label: string): [key: string, value: string] {
  const equals = label.indexOf("=");
  if (equals < 0) throw new SyntaxError(`Cannot read label ${quote(label)}: it is not key=value`);
  const key = label.slice(0, equals);
  const value = label.slice(equals + 1);
  if (!isLabelKey(key)) {
    throw new SyntaxError(
      `Cannot take label key ${quote(key)}: it must be 1 to 63 of A-Z a-z 0-9 . _ - / ` +
        "and start with a letter or digit",
    );
  }
  if (!isLabelValue(value)) {
    throw new SyntaxError(
      `Cannot take the value of label ${quote(key)}: it must be at most 128 visible ASCII ` +
        "characters without , and =",
    );
  }
  return [key, value];
}
