/**
 * The one error of reading documents.
 *
 * @module
 */
import { type Fault, pathText } from "./fault.ts";

/**
 * Names what is wrong, where, and what would be right:
 *
 *     req.yaml:3:10: /StartRequest/wait: Expected a duration such as "3.5s", found true
 */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
  /** As the caller named it: a file name or `stdin`. */
  readonly source: string;
  /** From 1; absent when the text as a whole is wrong. */
  readonly line: number | undefined;
  /** From 1, in characters. */
  readonly column: number | undefined;
  /** Such as `/StartRequest/wait`; empty when the syntax is wrong. */
  readonly path: string;
  /** What was wrong and what to do, without the place. */
  readonly reason: string;

  constructor(
    source: string,
    reason: string,
    place: { line?: number; column?: number; path?: string } = {},
  ) {
    const { line, column, path = "" } = place;
    const at = line === undefined ? source : `${source}:${line}:${column}`;
    super([at, path, reason].filter((part) => part !== "").join(": "));
    this.source = source;
    this.reason = reason;
    this.line = line;
    this.column = column;
    this.path = path;
  }

  /**
   * The error for a fault in this text.
   *
   * @param start Where the text begins in its source.
   */
  static of(
    fault: Fault,
    { source, text, start = START }: {
      readonly source: string;
      readonly text: string;
      readonly start?: TextPlace | undefined;
    },
  ): DocumentError {
    const { line, column } = lineAndColumn(text, fault.at);
    return new DocumentError(source, fault.message, {
      line: start.line + line - 1,
      column: line === 1 ? start.column + column - 1 : column,
      path: pathText(fault.path),
    });
  }
}

/** A place in a text, both from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

const START: TextPlace = { line: 1, column: 1 };

/** Both from 1; a line ends with LF, CRLF or CR. */
export function lineAndColumn(text: string, offset: number): TextPlace {
  let line = 1;
  let start = 0;
  for (const end of text.slice(0, offset).matchAll(/\r\n?|\n/g)) {
    line++;
    start = end.index + end[0].length;
  }
  return { line, column: [...text.slice(start, offset)].length + 1 };
}
