/**
 * Cuts a stream of text into documents, each as soon as it is complete:
 *
 *     json   a value, when it is closed: a line of NDJSON, or several lines; a list at the top is one
 *     yaml   a document, when the next one begins with ---, or at ...
 *     xml    an element at the top, with the declaration and the comments before it
 *
 * It checks no more than it needs to find the end. Where a text is so broken that no end may ever come,
 * what there is goes out at once, up to the character that is wrong: `readMessages` says why.
 *
 * @module
 */
import { type Format, sniffFormat } from "./format.ts";

/** A piece of a stream, and where it begins; both from 1. */
export interface DocumentText {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** What finds ends: it remembers how far it has looked. */
interface Scanner {
  /**
   * Where the first document ends, or `undefined` if that is not here yet.
   *
   * @param text What is left of the stream; after an end, what follows it.
   */
  scan(text: string): number | undefined;
  /** Is what is left at the end of the stream a document? */
  isDocument(rest: string): boolean;
}

/** The documents of one stream, by the pieces in which it comes. */
export class DocumentSplitter {
  #format: Format | undefined;
  #scanner: Scanner | undefined;
  #rest = "";
  #line = 1;
  #column = 1;

  /** @param format Sniffed from the first character, if it is not given. */
  constructor(format?: Format) {
    this.#format = format;
  }

  /** Known as soon as there is a character that is not blank. */
  get format(): Format | undefined {
    return this.#format;
  }

  /** Characters that wait for the end of their document. */
  get waiting(): number {
    return this.#rest.length;
  }

  /** The documents that are complete with this text. */
  *push(text: string): Generator<DocumentText> {
    this.#rest += text;
    if (this.#format === undefined && /[^\s\ufeff]/.test(this.#rest)) {
      this.#format = sniffFormat(this.#rest);
    }
    if (this.#format === undefined) return;
    this.#scanner ??= SCANNERS[this.#format]();
    for (let end; (end = this.#scanner.scan(this.#rest)) !== undefined;) yield this.#take(end);
  }

  /** What is left when the stream has ended. */
  *end(): Generator<DocumentText> {
    if (this.#scanner?.isDocument(this.#rest)) yield this.#take(this.#rest.length);
  }

  #take(end: number): DocumentText {
    const document = { text: this.#rest.slice(0, end), line: this.#line, column: this.#column };
    const lines = document.text.split(/\r\n?|\n/);
    const width = [...lines.at(-1)!].length;
    this.#column = lines.length === 1 ? this.#column + width : width + 1;
    this.#line += lines.length - 1;
    this.#rest = this.#rest.slice(end);
    return document;
  }
}

const SCANNERS: Readonly<Record<Format, () => Scanner>> = {
  json: () => new JsonScanner(),
  yaml: () => new YamlScanner(),
  xml: () => new XmlScanner(),
};

const BLANK = /^[\s\ufeff]*$/;
const WORD = /[\w.+-]/;

/** What may come next. */
type Expected = "value" | "value or end" | "key" | "key or end" | "colon" | "comma or end";

const VALUES: ReadonlySet<Expected> = new Set(["value", "value or end"]);
const KEYS: ReadonlySet<Expected> = new Set(["key", "key or end"]);
const ENDS: ReadonlySet<Expected> = new Set(["value or end", "key or end", "comma or end"]);

class JsonScanner implements Scanner {
  #at = 0;
  /** What is open, outermost first. */
  #open: ("{" | "[")[] = [];
  #expected: Expected = "value";
  #within: "string" | "key" | "word" | undefined;

  scan(text: string): number | undefined {
    while (this.#at < text.length) {
      const character = text[this.#at++]!;
      if (this.#within === "word" && !WORD.test(character)) {
        this.#within = undefined;
        this.#at--;
        if (this.#closeValue()) return this.#end();
      } else if (this.#within !== undefined) {
        if (character === "\n" && this.#within !== "word") return this.#end();
        // What is escaped is skipped, also when it comes later.
        if (character === "\\") this.#at++;
        if (character !== '"') continue;
        const wasKey = this.#within === "key";
        this.#within = undefined;
        if (wasKey) this.#expected = "colon";
        else if (this.#closeValue()) return this.#end();
      } else if (!/[\s\ufeff]/.test(character) && this.#isEnd(character)) return this.#end();
    }
    return undefined;
  }

  isDocument(rest: string): boolean {
    return !BLANK.test(rest);
  }

  /** Takes a character outside of strings and words. Does it end the document, or break it? */
  #isEnd(character: string): boolean {
    const expected = this.#expected;
    const isValue = VALUES.has(expected);
    if (character === '"' && (isValue || KEYS.has(expected))) {
      this.#within = isValue ? "string" : "key";
    } else if ((character === "{" || character === "[") && isValue) {
      this.#open.push(character);
      this.#expected = character === "{" ? "key or end" : "value or end";
    } else if (
      (character === "}" || character === "]") && ENDS.has(expected) &&
      this.#open.at(-1) === (character === "}" ? "{" : "[")
    ) {
      this.#open.pop();
      return this.#closeValue();
    } else if (character === ":" && expected === "colon") {
      this.#expected = "value";
    } else if (character === "," && expected === "comma or end") {
      this.#expected = this.#open.at(-1) === "{" ? "key" : "value";
    } else if (WORD.test(character) && isValue) {
      this.#within = "word";
    } else {
      return true;
    }
    return false;
  }

  /** Was it the outermost? */
  #closeValue(): boolean {
    this.#expected = "comma or end";
    return this.#open.length === 0;
  }

  #end(): number {
    const end = this.#at;
    this.#at = 0;
    this.#open = [];
    this.#expected = "value";
    this.#within = undefined;
    return end;
  }
}

/** A line that begins a document, with what may stand after its dashes. */
const BEGIN = /^\ufeff?---(?:[ \t](?<content>.*))?$/;
const END = /^\.\.\.(?:\s.*)?$/;
const NO_CONTENT = /^\ufeff?(?:%.*|\s*(?:#.*)?)$/;

class YamlScanner implements Scanner {
  #at = 0;
  #count = 0;
  /** There was a line with dashes. */
  #isBegun = false;
  #hasContent = false;

  scan(text: string): number | undefined {
    for (let newline; (newline = text.indexOf("\n", this.#at)) >= 0;) {
      const line = text.slice(this.#at, newline).replace(/\r$/, "");
      const begin = BEGIN.exec(line);
      if (begin !== null && (this.#isBegun || this.#hasContent)) return this.#end(this.#at);
      this.#at = newline + 1;
      if (END.test(line) && (this.#isBegun || this.#hasContent)) return this.#end(this.#at);
      if (begin !== null) this.#isBegun = true;
      if (!NO_CONTENT.test(begin === null ? line : begin.groups?.["content"] ?? "")) {
        this.#hasContent = true;
      }
    }
    return undefined;
  }

  isDocument(rest: string): boolean {
    if (this.#count === 0) return !BLANK.test(rest);
    // Nothing at all after the last dashes is no document.
    return this.#hasContent || !/^\s*(?:---\s*)?$/.test(rest);
  }

  #end(end: number): number {
    this.#at = 0;
    this.#count++;
    this.#isBegun = false;
    this.#hasContent = false;
    return end;
  }
}

/** What ends that which begins so; the first that fits. */
const MARKUP: readonly (readonly [begin: string, end: string])[] = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
];
/** Beginnings of these must be whole before it is known what they are. */
const LONGEST_BEGIN = "<![CDATA[".length;

class XmlScanner implements Scanner {
  #at = 0;
  #depth = 0;

  scan(text: string): number | undefined {
    while (true) {
      const start = text.indexOf("<", this.#at);
      const between = text.slice(this.#at, start < 0 ? text.length : start);
      if (this.#depth === 0 && !BLANK.test(between)) return this.#end(this.#at + between.length);
      if (start < 0) {
        this.#at = text.length;
        return undefined;
      }
      this.#at = start;
      const begin = text.slice(start, start + LONGEST_BEGIN);
      const markup = MARKUP.find(([opening]) => begin.startsWith(opening));
      if (markup !== undefined) {
        const end = text.indexOf(markup[1], start + markup[0].length);
        if (end < 0) return undefined;
        this.#at = end + markup[1].length;
        continue;
      }
      if (MARKUP.some(([opening]) => opening.startsWith(begin))) return undefined;
      // A DOCTYPE: it is refused.
      if (begin.startsWith("<!")) return this.#end(text.length);
      const end = tagEnd(text, start);
      if (end === undefined) return undefined;
      this.#at = end;
      if (begin.startsWith("</")) this.#depth--;
      else if (text[end - 2] !== "/") this.#depth++;
      if (this.#depth <= 0) return this.#end(end);
    }
  }

  isDocument(rest: string): boolean {
    return !BLANK.test(rest);
  }

  #end(end: number): number {
    this.#at = 0;
    this.#depth = 0;
    return end;
  }
}

/** Behind the `>` of a tag; one in quotes is none. */
function tagEnd(text: string, start: number): number | undefined {
  const tag = /<(?:[^"'>]|"[^"]*"|'[^']*')*>/y;
  tag.lastIndex = start;
  return tag.test(text) ? tag.lastIndex : undefined;
}
