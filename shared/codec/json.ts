/**
 * JSON, RFC 8259: strict, with places, any number of values one after the other (NDJSON is that).
 *
 * `JSON.parse` loses digits of numbers, keeps the last of equal keys and tells no line.
 *
 * @module
 */
import { safeJson } from "../text/safe_json.ts";
import { MAX_DEPTH, MAX_DOCUMENTS } from "./bounds.ts";
import { Fault } from "./fault.ts";
import { type Node, type NodeEntry, SHOWN_LENGTH } from "./node.ts";
import type { Value } from "./value.ts";

const BLANK = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** A word, a wrong number or anything else that stands where a value should. */
const TOKEN = /[\w.+-]+|[^]/uy;
// deno-lint-ignore no-control-regex -- these are what JSON forbids within a string
const PLAIN = /[^"\\\x00-\x1f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

export interface ReadJsonOptions {
  /** Gives all values this one place: the JSON is itself a text within a document. */
  readonly at?: number;
}

/**
 * Reads all values in the text.
 *
 * @throws {Fault} At the first character that is no JSON.
 */
export function readJson(text: string, options: ReadJsonOptions = {}): Node[] {
  const reader = new JsonReader(text, options.at);
  const values: Node[] = [];
  while (!reader.ended()) {
    if (values.length === MAX_DOCUMENTS) reader.fail(`More than ${MAX_DOCUMENTS} values`);
    values.push(reader.value(0));
  }
  return values;
}

class JsonReader {
  readonly #text: string;
  readonly #fixedAt: number | undefined;
  #pos = 0;

  constructor(text: string, fixedAt: number | undefined) {
    this.#text = text;
    this.#fixedAt = fixedAt;
  }

  ended(): boolean {
    this.#match(BLANK);
    return this.#pos === this.#text.length;
  }

  fail(message: string, at = this.#pos): never {
    throw new Fault(this.#fixedAt ?? at, message);
  }

  value(depth: number): Node {
    this.#match(BLANK);
    const at = this.#fixedAt ?? this.#pos;
    const first = this.#text[this.#pos];
    if (depth > MAX_DEPTH) this.fail(`Nested more than ${MAX_DEPTH} deep`);
    if (first === "{") return { kind: "object", at, entries: this.#entries(depth) };
    if (first === "[") return { kind: "list", at, items: this.#items(depth) };
    if (first === '"') return { kind: "string", at, text: this.#string() };
    const number = this.#match(NUMBER);
    if (number !== "" && !/[\w.+-]/.test(this.#text[this.#pos] ?? "")) {
      return { kind: "number", at, text: number };
    }
    this.#pos -= number.length;
    const word = this.#match(TOKEN);
    if (word === "true" || word === "false") return { kind: "boolean", at, value: word === "true" };
    if (word === "null") return { kind: "null", at };
    this.#pos -= word.length;
    this.fail(`Expected a JSON value, found ${this.#next()}`);
  }

  #entries(depth: number): NodeEntry[] {
    const entries: NodeEntry[] = [];
    this.#list("{", "}", () => {
      const at = this.#fixedAt ?? this.#pos;
      if (this.#text[this.#pos] !== '"') {
        this.fail(`Expected a name in double quotes, found ${this.#next()}`);
      }
      const key = this.#string();
      this.#match(BLANK);
      if (this.#text[this.#pos] !== ":") {
        this.fail(`Expected ":" after the name ${JSON.stringify(key)}, found ${this.#next()}`);
      }
      this.#pos++;
      entries.push({ key, at, value: this.value(depth + 1) });
    });
    return entries;
  }

  #items(depth: number): Node[] {
    const items: Node[] = [];
    this.#list("[", "]", () => items.push(this.value(depth + 1)));
    return items;
  }

  /** `open`, parts with "," between them, `close`. */
  #list(open: string, close: string, part: () => void): void {
    const start = this.#pos++;
    this.#match(BLANK);
    if (this.#text[this.#pos] === close) {
      this.#pos++;
      return;
    }
    for (;;) {
      this.#match(BLANK);
      if (this.#text[this.#pos] === close) this.fail(`Expected no "," before "${close}"`);
      part();
      this.#match(BLANK);
      const end = this.#text[this.#pos];
      if (end === undefined) this.fail(`The "${open}" here is never closed by "${close}"`, start);
      if (end !== "," && end !== close) {
        this.fail(`Expected "," or "${close}", found ${this.#next()}`);
      }
      this.#pos++;
      if (end === close) return;
    }
  }

  #string(): string {
    const start = this.#pos++;
    let text = "";
    for (;;) {
      text += this.#match(PLAIN);
      const end = this.#text[this.#pos];
      if (end === undefined) this.fail("The string that begins here is never closed", start);
      if (end === '"') {
        this.#pos++;
        return text;
      }
      if (end !== "\\") {
        this.fail(`A string must have the control character ${JSON.stringify(end)} escaped`);
      }
      text += this.#escape();
    }
  }

  #escape(): string {
    const at = this.#pos;
    const letter = this.#text[at + 1] ?? "";
    if (letter === "u") {
      const digits = this.#text.slice(at + 2, at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail("Expected four hexadecimal digits after \\u");
      this.#pos += 6;
      return String.fromCharCode(parseInt(digits, 16));
    }
    if (!Object.hasOwn(ESCAPES, letter)) this.fail(`Unknown escape "\\${letter}" in a string`);
    this.#pos += 2;
    return ESCAPES[letter]!;
  }

  /** What comes next, for an error. */
  #next(): string {
    const at = this.#pos;
    const token = this.#match(TOKEN);
    this.#pos = at;
    if (token === '"') return "a string";
    return token === "" ? "the end" : JSON.stringify(token.slice(0, SHOWN_LENGTH));
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#pos;
    const [match = ""] = pattern.exec(this.#text) ?? [];
    this.#pos += match.length;
    return match;
  }
}

export interface WriteJsonOptions {
  /** Spaces for each level; 0 writes one line. @default 0 */
  readonly indent?: number;
}

/** Writes a value, without a newline at its end. */
export function writeJson(value: Value, options: WriteJsonOptions = {}): string {
  const { indent = 0 } = options;
  const colon = indent > 0 ? ": " : ":";
  const write = (value: Value, newline: string): string => {
    if (value === null || typeof value === "boolean") return String(value);
    if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
    if (typeof value === "string") return safeJson(value);
    const inner = indent > 0 ? newline + " ".repeat(indent) : "";
    const between = `,${inner}`;
    if (value instanceof Map) {
      if (value.size === 0) return "{}";
      const entries = [...value].map(([key, part]) => safeJson(key) + colon + write(part, inner));
      return `{${inner}${entries.join(between)}${newline}}`;
    }
    const items = value as readonly Value[];
    if (items.length === 0) return "[]";
    return `[${inner}${items.map((item) => write(item, inner)).join(between)}${newline}]`;
  };
  return write(value, indent > 0 ? "\n" : "");
}
