/**
 * A YAML document, read element by element against what is expected there. What is wrong is
 * collected with its place, so that one look at a file tells all of it.
 *
 *     auth.yaml:12:15: operators[0].rules[1].effect: must be allow or deny
 *
 * @module
 */
import { isMap, isScalar, isSeq, type LineCounter, type Node } from "yaml";
import type { Steps } from "../async/steps.ts";
import { FaultyFileError } from "../files/faulty_file_error.ts";
import { parseYaml, type YamlDocument } from "./yaml_document.ts";

/** More faults than this are not listed. */
const MAX_FAULTS = 50;

/** Some say what stands there, however much that is. */
const MAX_FAULT_LENGTH = 250;

/** The faults of one file. */
class Faults {
  readonly #found: { readonly offset: number; readonly line: string }[] = [];
  readonly #path: string;
  readonly #counter: LineCounter;

  constructor(path: string, counter: LineCounter) {
    this.#path = path;
    this.#counter = counter;
  }

  add(offset: number, what: string, problem: string): void {
    if (this.#found.length === MAX_FAULTS) return;
    const { line, col } = this.#counter.linePos(offset);
    const where = what === "" ? "" : `${what}: `;
    const said = `${where}${problem}`;
    const cut = said.length > MAX_FAULT_LENGTH ? `${said.slice(0, MAX_FAULT_LENGTH)}…` : said;
    this.#found.push({ offset, line: `${this.#path}:${line}:${col}: ${cut}` });
  }

  /** @throws {FaultyFileError} If there are any; in the order of the file. */
  throwAny(): void {
    if (this.#found.length === 0) return;
    const lines = this.#found.sort((a, b) => a.offset - b.offset).map(({ line }) => line);
    throw new FaultyFileError(this.#path, lines);
  }
}

/** One value in the document, with its place and its name. */
export class YamlElement {
  readonly name: string;
  readonly #node: Node | null;
  readonly #offset: number;
  readonly #faults: Faults;
  readonly #document: YamlDocument;

  constructor(
    name: string,
    node: Node | null,
    { offset, faults, document }: { offset: number; faults: Faults; document: YamlDocument },
  ) {
    this.name = name;
    this.#node = node;
    this.#offset = node?.range?.[0] ?? offset;
    this.#faults = faults;
    this.#document = document;
  }

  /** Records what is wrong here. */
  fault(problem: string): void {
    this.#faults.add(this.#offset, this.name, problem);
  }

  /** Calls `read`; what it throws as a SyntaxError is a fault of this element. */
  attempt<T>(read: () => T, otherwise: T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.fault(error.message);
      return otherwise;
    }
  }

  /** The members of a mapping that may have only these keys. */
  fields<K extends string>(...known: readonly K[]): Partial<Record<K, YamlElement>> {
    const found: Partial<Record<K, YamlElement>> = {};
    for (const [key, element] of this.entries()) {
      if ((known as readonly string[]).includes(key)) found[key as K] = element;
      else element.fault(`is unknown here; known are: ${known.join(", ")}`);
    }
    return found;
  }

  /** All members of a mapping. */
  entries(): [key: string, value: YamlElement][] {
    if (!isMap(this.#node)) {
      this.fault("must be a mapping (key: value)");
      return [];
    }
    const seen = new Set<string>();
    const [faults, document] = [this.#faults, this.#document];
    return document.membersOf(this.#node).flatMap(({ key, value }): [string, YamlElement][] => {
      const at = { offset: (key as Node).range?.[0] ?? this.#offset, faults, document };
      if (!isScalar(key) || typeof key.value !== "string") {
        this.fault("has a key that is no text");
        return [];
      }
      const name = this.name === "" ? key.value : `${this.name}.${key.value}`;
      const element = new YamlElement(name, value as Node | null, at);
      if (seen.has(key.value)) element.fault("is there twice");
      seen.add(key.value);
      return [[key.value, element]];
    });
  }

  /** The items of a list. */
  items(): YamlElement[] {
    if (!isSeq(this.#node)) {
      this.fault("must be a list");
      return [];
    }
    const [faults, document] = [this.#faults, this.#document];
    const outside = { offset: this.#offset, faults, document };
    return document.membersOf(this.#node).map((item, i) =>
      new YamlElement(`${this.name}[${i}]`, item as Node | null, outside)
    );
  }

  /** The items of a list, or the one thing that stands in its place. */
  oneOrMore(): YamlElement[] {
    return isSeq(this.#node) ? this.items() : [this];
  }

  get isMapping(): boolean {
    return isMap(this.#node);
  }

  /** A text that is not empty. */
  text(): string {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === "string" && value !== "") return value;
    this.fault("must be a text (put it into quotes if it looks like a number)");
    return "";
  }

  choice<C extends string>(choices: readonly C[], otherwise: C): C {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if ((choices as readonly unknown[]).includes(value)) return value as C;
    this.fault(`must be ${choices.join(" or ")}`);
    return otherwise;
  }

  boolean(): boolean {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === "boolean") return value;
    this.fault("must be true or false");
    return false;
  }

  /** A whole number. */
  integer(): number {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    this.fault("must be a whole number");
    return NaN;
  }

  /** A moment, as `Date.now()` tells it. */
  moment(): number {
    const text = this.text();
    const ms = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z)?$/.test(text) ? Date.parse(text) : NaN;
    if (Number.isNaN(ms) && text !== "") this.fault("must be like 2027-01-31 or 2027-01-31T18:00Z");
    return ms;
  }
}

/**
 * Reads a document in steps.
 *
 * @param path For messages.
 * @throws {FaultyFileError} If it is no YAML, or `read` found faults.
 */
export function* readYamlFile<T>(
  path: string,
  text: string,
  read: (root: YamlElement) => Steps<T>,
): Steps<T> {
  const document = yield* parseYaml(text);
  const faults = new Faults(path, document.lines);
  for (const { offset, message } of document.problems) faults.add(offset, "", message);
  faults.throwAny();
  const result = yield* read(new YamlElement("", document.root, { offset: 0, faults, document }));
  faults.throwAny();
  return result;
}

/** Reads one element after the other. */
export function* readEach<T>(
  elements: readonly YamlElement[],
  read: (element: YamlElement) => T,
): Steps<T[]> {
  const all: T[] = [];
  for (const element of elements) {
    all.push(read(element));
    yield;
  }
  return all;
}
