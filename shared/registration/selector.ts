/**
 * Which servers are meant, by their labels, in the grammar of `kubectl get -l`:
 *
 *     env=prod,role in (edge,core),!canary,site!=ams
 *
 *     selector    → requirement *( "," requirement )            at most 64, all must hold
 *     requirement → key                                         carries the label
 *                 / "!" key                                     does not carry it
 *                 / key ( "=" / "==" ) value
 *                 / key "!=" value                              another value, or no such label
 *                 / key "in" "(" value *( "," value ) ")"
 *                 / key "notin" "(" value *( "," value ) ")"    none of the values, or no such label
 *
 * Blanks may stand between all of them. Keys and values are those of labels (`labels.ts`); a value in a
 * list has no parentheses. A value may be empty.
 *
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 * @module
 */
import { quote } from "../text/quote.ts";
import { isLabelKey, isLabelValue } from "./labels.ts";

/** A selector with more requirements is refused. */
export const MAX_REQUIREMENTS = 64;
/** A longer text is refused. */
export const MAX_SELECTOR_LENGTH = 8192;

/** One of the conditions, which all must hold. */
export interface Requirement {
  readonly key: string;
  /** Absent: the label may have any value. */
  readonly values?: ReadonlySet<string>;
  /** Does the rest say which servers are not meant? */
  readonly not: boolean;
}

export type Selector = readonly Requirement[];

/**
 * Reads a selector.
 *
 * @throws {SyntaxError} If it does not match the grammar, with the column, counted from 1.
 */
export function parseSelector(text: string): Selector {
  if (text.length > MAX_SELECTOR_LENGTH) {
    throw new SyntaxError(`Cannot read a selector of more than ${MAX_SELECTOR_LENGTH} characters`);
  }
  return new Parser(text).selector();
}

/** Does a server with these labels meet all requirements? */
export function selects(selector: Selector, labels: Readonly<Record<string, string>>): boolean {
  return selector.every(({ key, values, not }) => {
    const isMet = Object.hasOwn(labels, key) && (values === undefined || values.has(labels[key]!));
    return isMet !== not;
  });
}

/** What may stand where. Each begins where the text before it ended. */
const BLANKS = /[ \t\r\n]*/y;
const WORD = /[^\s,=!()]*/y;
const SINGLE_VALUE = /[^\s,=]*/y;
const LISTED_VALUE = /[^\s,=()]*/y;
const COMPARISON = /==|!=|=/y;
const SET_OPERATOR = /(?:notin|in)(?![^\s(])/y;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  selector(): Requirement[] {
    const found: Requirement[] = [];
    do {
      if (found.length === MAX_REQUIREMENTS) {
        throw this.#error(`there are more than ${MAX_REQUIREMENTS} requirements`);
      }
      found.push(this.#requirement());
    } while (this.#skip(","));
    if (this.#at < this.#text.length) throw this.#error("a comma is missing");
    return found;
  }

  #requirement(): Requirement {
    if (this.#skip("!")) return { key: this.#key(), not: true };
    const key = this.#key();
    const comparison = this.#take(COMPARISON);
    if (comparison !== "") {
      return { key, values: new Set([this.#value(SINGLE_VALUE)]), not: comparison === "!=" };
    }
    const operator = this.#take(SET_OPERATOR);
    if (operator !== "") return { key, values: this.#list(operator), not: operator === "notin" };
    return { key, not: false };
  }

  #list(operator: string): Set<string> {
    if (!this.#skip("(")) throw this.#error(`"(" is missing after "${operator}"`);
    const values = new Set<string>();
    do values.add(this.#value(LISTED_VALUE)); while (this.#skip(","));
    if (!this.#skip(")")) throw this.#error('")" is missing');
    return values;
  }

  #key(): string {
    return this.#checked(WORD, { is: isLabelKey, what: "a label's key" });
  }

  #value(pattern: RegExp): string {
    return this.#checked(pattern, { is: isLabelValue, what: "a label's value" });
  }

  #checked(
    pattern: RegExp,
    { is, what }: { readonly is: (word: string) => boolean; readonly what: string },
  ): string {
    const word = this.#take(pattern);
    if (is(word)) return word;
    this.#at -= word.length;
    throw this.#error(word === "" ? `${what} is missing` : `${quote(word)} is not ${what}`);
  }

  /** Goes on after this character, if it is the next one. */
  #skip(character: string): boolean {
    this.#match(BLANKS);
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  /** What is next, without the blanks around it; empty if it does not fit. */
  #take(pattern: RegExp): string {
    this.#match(BLANKS);
    return this.#match(pattern);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #error(why: string): SyntaxError {
    return new SyntaxError(
      `Cannot read selector ${quote(this.#text)}: ${why} at column ${this.#at + 1}`,
    );
  }
}
