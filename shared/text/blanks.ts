/**
 * The white space of HTTP fields: SP and HTAB, and nothing else (RFC 9110 §5.6.3). What
 * `String.trim` takes away in addition, such as U+00A0, is part of a value: two readers of one
 * header would else read two values.
 *
 * @module
 */

const TAB = 0x09;
const BLANK = 0x20;

/** Takes blanks and tabs away at both ends. */
export function trimBlanks(text: string): string {
  let start = 0, end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === BLANK || code === TAB;
}
