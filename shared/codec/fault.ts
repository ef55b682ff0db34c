/**
 * What is wrong in a document, before it is known where in which file: the readers know offsets,
 * `document.ts` makes a `DocumentError` of it.
 *
 * @module
 */

/** Where a value stands: the way from the root to it. Shared by all values below, so it is a list. */
export interface Path {
  readonly parent?: Path;
  /** `/name`, `[0]` or `["key"]`. */
  readonly step: string;
}

/** Longer paths are cut in the middle. */
const MAX_PATH_LENGTH = 200;

/** `/StartRequest/labels["env"]` */
export function pathText(path: Path | undefined): string {
  let text = "";
  for (let at = path; at !== undefined; at = at.parent) text = at.step + text;
  if (text.length <= MAX_PATH_LENGTH) return text;
  return `${text.slice(0, MAX_PATH_LENGTH / 2)}…${text.slice(-MAX_PATH_LENGTH / 2)}`;
}

export const fieldStep = (parent: Path, name: string): Path => ({ parent, step: `/${name}` });
export const itemStep = (parent: Path, index: number): Path => ({ parent, step: `[${index}]` });
export const keyStep = (parent: Path, key: string): Path => ({
  parent,
  step: `[${JSON.stringify(key)}]`,
});

export class Fault extends Error {
  override readonly name = "Fault";
  /** Offset in the text, in UTF-16 units. */
  readonly at: number;
  /** The value that is wrong; none when the syntax is. */
  readonly path: Path | undefined;

  constructor(at: number, message: string, path?: Path) {
    super(message);
    this.at = at;
    this.path = path;
  }
}
