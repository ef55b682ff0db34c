/**
 * How many cells of a terminal a text takes, and text that is cut or folded to fit.
 *
 * Most characters take one cell; Chinese, Japanese and Korean ones and most emoji take two; marks that
 * join the character before them take none. A character is what people see as one: `Intl.Segmenter`
 * keeps the parts of a family or a flag together.
 *
 * @see https://www.unicode.org/reports/tr11/
 * @module
 */

/** Blocks of Unicode whose characters are wide (East Asian Width W or F), and pictures that are. */
const WIDE = new RegExp(
  "[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3" +
    "\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6" +
    "\\u{16fe0}-\\u{18dff}\\u{1b000}-\\u{1b2ff}\\u{1f200}-\\u{1f2ff}\\u{20000}-\\u{3fffd}" +
    "\\p{Emoji_Presentation}\ufe0f]",
  "u",
);
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]*$/u;
/** One cell for each, and nothing to be joined. */
const PLAIN = /^[ -~]*$/;

let segmenter: Intl.Segmenter | undefined;

/** Made at its first use: that takes as long as a tenth of a whole start. */
function graphemes(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return segmenter.segment(text);
}

/** The cells that a text takes. It has no control characters: see `printable.ts`. */
export function textWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes(text)) width += graphemeWidth(segment);
  return width;
}

function graphemeWidth(grapheme: string): number {
  if (WIDE.test(grapheme)) return 2;
  return NO_WIDTH.test(grapheme) ? 0 : 1;
}

/** Adds blanks up to a width. */
export function padToWidth(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - textWidth(text)));
}

/** A text that fits; where its end is cut off, an ellipsis says so. */
export function cutToWidth(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  return width < 1 ? "" : `${beginning(text, width - 1)}…`;
}

/** As much from the front as fits. */
function beginning(text: string, width: number): string {
  let end = 0;
  let left = width;
  for (const { segment } of graphemes(text)) {
    left -= graphemeWidth(segment);
    if (left < 0) break;
    end += segment.length;
  }
  return text.slice(0, end);
}

/** A column of names that is wider leaves too little room for what stands after it. */
const MAX_INDENT_SHARE = 0.5;
const INDENT = 2;
/** A name in the first column, and the blanks after it. */
const FIRST_COLUMN = /^ *\S+(?: \S+)*  +(?=\S)/;

/**
 * Folds lines that are too wide, at a blank where there is one. What follows stands under the line's
 * second column.
 */
export function foldLines(text: string, width: number): string {
  return text.split("\n").map((line) => foldLine(line, width)).join("\n");
}

function foldLine(line: string, width: number): string {
  if (textWidth(line) <= width) return line;
  const column = textWidth(FIRST_COLUMN.exec(line)?.[0] ?? "");
  const indent = column > 0 && column <= width * MAX_INDENT_SHARE ? column : INDENT;
  const lines: string[] = [];
  let rest = line;
  let room = width;
  while (textWidth(rest) > room) {
    const piece = beginning(rest, room) || rest.slice(0, 1);
    // The blank itself may be the first that does not fit.
    const blank = rest[piece.length] === " " ? piece.length : piece.lastIndexOf(" ");
    const isBreak = blank > (lines.length === 0 ? indent : 0);
    lines.push((isBreak ? rest.slice(0, blank) : piece).trimEnd());
    rest = isBreak ? rest.slice(blank).trimStart() : rest.slice(piece.length);
    room = Math.max(1, width - indent);
  }
  lines.push(rest);
  return lines.join(`\n${" ".repeat(indent)}`);
}
