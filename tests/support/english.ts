/**
 * Words and phrases that must be read twice, and what to write in their place. The list has only what
 * a program can tell: that a sentence says who does what, when and how much, a person must see.
 *
 * @module
 */

/** A phrase that is not used. */
export interface Phrase {
  readonly pattern: RegExp;
  /** What to write in its place. */
  readonly write: string;
  /** A sentence that has it. */
  readonly example: string;
}

export const PHRASES: readonly Phrase[] = [
  { pattern: /\banew\b/i, write: "again, or new", example: "The file is read anew" },
  {
    pattern: /\bfor ever\b/i,
    write: "forever, or without limit",
    example: "It would wait for\n * ever",
  },
  {
    pattern: /\bput(s|ting)? (it |them )?out\b/i,
    write: "disconnect, end, revoke",
    example: "Who is here by it is put out",
  },
  {
    pattern: /\bput(s|ting)? (it |them )?aside\b/i,
    write: "rename, or keep for later",
    example: "A large file is put aside",
  },
  { pattern: /\bbesides\b/i, write: "in addition to, or also", example: "Bytes besides its name" },
  {
    pattern: /\bso (many|much|long)\b(?!(?: \S+){0,6} that\b)/i,
    write: "the number, or: this many, this long",
    example: "Silence is noticed so much early",
  },
  {
    pattern: /(?:[a-z)`»]\. |\n\n)Who(se)? [a-z]/,
    write: "a noun before it: a caller who …, a server whose …",
    example: "The hub waits. Who is too slow loses events",
  },
  {
    pattern: /\bneither[.;:)]/i,
    write: "not even …, or: none of the two",
    example: "From the hub's own machine neither.",
  },
  {
    pattern: /\b(do|does|did|is|are|was|can|could|wo|would|has|have)n't\b/i,
    write: "the whole words: is not, cannot",
    example: "It isn't there",
  },
  {
    pattern: /See the module's head/,
    write: "what the thing is; the story may stand at the head",
    example: "/** See the module's head. */",
  },
];

/** Lines of a paragraph become one line; the marks of comments are left out. */
function paragraphs(text: string): string {
  return text.split("\n").map((line) => line.replace(/^\s*(\*(?!\/)|\/\/|#)? ?/, "").trim())
    .join("\n").replaceAll(/(?<!\n)\n(?!\n)/g, " ");
}

/** Each phrase of the list in a text, with what to write in its place. */
export function phrasesIn(text: string): string[] {
  const whole = paragraphs(text);
  return PHRASES.flatMap(({ pattern, write }) =>
    [...whole.matchAll(new RegExp(pattern, `${pattern.flags.replace("g", "")}g`))].map(
      ({ 0: found, index }) => {
        const around = whole.slice(Math.max(0, index - 30), index + found.length + 30);
        return `"${found.trim()}" in "…${around.replaceAll("\n", " ")}…": write ${write}`;
      },
    )
  );
}
