/**
 * A regular expression's text → a tree, as far as `ambiguity.ts` needs it: which characters stand
 * where, and what is repeated. Case and names of groups do not matter to it.
 *
 * @module
 */

/** A set of characters: a bit for each of ASCII, and {@linkcode OTHER} for all beyond it. */
export type CharSet = bigint;

/** All characters that are not of ASCII, taken as one: a set has them all, or might have some. */
export const OTHER = 1n << 128n;
export const ALL: CharSet = (1n << 129n) - 1n;

export type Node =
  | { readonly kind: "char"; readonly set: CharSet }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly body: Node; readonly min: number; readonly max: number }
  /** Takes no character, and may fail: `$`, `\b`, what is looked for ahead or behind. */
  | { readonly kind: "assertion"; readonly looks?: Node; readonly isEnd?: boolean }
  | { readonly kind: "start" };

const DIGITS = range("0", "9");
const LOWER = range("a", "z");
const UPPER = range("A", "Z");
/** From a letter to its other case. */
const CASE = 32n;
const WORDS = DIGITS | LOWER | UPPER | one("_");
const BLANKS = [..."\t\n\v\f\r "].map(one).reduce(union) | OTHER;
const BREAKS = one("\n") | one("\r");

const ESCAPES: Readonly<Record<string, CharSet>> = {
  d: DIGITS,
  D: ALL & ~DIGITS,
  w: WORDS,
  W: ALL & ~WORDS,
  s: BLANKS,
  S: (ALL & ~BLANKS) | OTHER,
  n: one("\n"),
  r: one("\r"),
  t: one("\t"),
  v: one("\v"),
  f: one("\f"),
  0: one("\0"),
};

/** @throws {Error} At what it does not know, such as references to groups. */
export function parseRegExp({ source, flags }: Pick<RegExp, "source" | "flags">): Node {
  return new Parser(source, flags).parse();
}

class Parser {
  readonly #text: string;
  readonly #flags: string;
  #at = 0;

  constructor(text: string, flags: string) {
    this.#text = text;
    this.#flags = flags;
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw this.#unknown();
    return node;
  }

  #choice(): Node {
    const parts = [this.#sequence()];
    while (this.#take("|")) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0]! : { kind: "choice", parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length && !"|)".includes(this.#text[this.#at]!)) {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: "sequence", parts };
  }

  #repeated(body: Node): Node {
    const counted = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/.exec(
      this.#text.slice(this.#at, this.#at + 20),
    );
    if (counted === null) return body;
    this.#at += counted[0].length;
    const [whole, least, comma, most] = counted;
    if (whole.startsWith("*")) return { kind: "repeat", body, min: 0, max: Infinity };
    if (whole.startsWith("+")) return { kind: "repeat", body, min: 1, max: Infinity };
    if (whole.startsWith("?")) return { kind: "repeat", body, min: 0, max: 1 };
    const min = Number(least);
    const max = comma === undefined ? min : most === "" ? Infinity : Number(most);
    return { kind: "repeat", body, min, max };
  }

  #atom(): Node {
    if (this.#take("^")) {
      return this.#flags.includes("m") ? { kind: "assertion" } : { kind: "start" };
    }
    if (this.#take("$")) return { kind: "assertion", isEnd: true };
    if (this.#take("\\b") || this.#take("\\B")) return { kind: "assertion" };
    if (this.#take("(")) return this.#group();
    if (this.#take("[")) return { kind: "char", set: this.#class() };
    if (this.#take(".")) {
      return { kind: "char", set: this.#flags.includes("s") ? ALL : ALL & ~BREAKS };
    }
    return { kind: "char", set: this.#cased(this.#character()) };
  }

  #group(): Node {
    const looks = ["?=", "?!", "?<=", "?<!"].some((mark) => this.#take(mark));
    if (!looks && !this.#take("?:")) {
      const name = /^\?<\w+>/.exec(this.#text.slice(this.#at, this.#at + 40));
      if (name !== null) this.#at += name[0].length;
    }
    const body = this.#choice();
    if (!this.#take(")")) throw this.#unknown();
    return looks ? { kind: "assertion", looks: body } : body;
  }

  #class(): CharSet {
    const negated = this.#take("^");
    let set = 0n;
    while (!this.#take("]")) {
      const from = this.#at;
      const first = this.#character();
      const dash = this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]";
      if (!dash) {
        set |= first;
        continue;
      }
      this.#at++;
      const last = this.#character();
      if (isSingle(first) && isSingle(last)) set |= between(first, last);
      else throw new Error(`Cannot read ${this.#text.slice(from, this.#at)}`);
    }
    set = this.#cased(set);
    // All beyond ASCII is one: a class that leaves some of it out has others.
    return negated ? (ALL & ~set) | OTHER : set;
  }

  #character(): CharSet {
    const char = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    if (this.#at >= this.#text.length) throw this.#unknown();
    this.#at += char.length;
    if (char !== "\\") return one(char);
    const property = /^[pP]\{[^}]*\}/.exec(this.#text.slice(this.#at, this.#at + 60));
    if (property !== null) {
      this.#at += property[0].length;
      return ALL;
    }
    const coded = /^(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|u\{([\da-fA-F]+)\})/
      .exec(this.#text.slice(this.#at, this.#at + 12));
    if (coded !== null) {
      this.#at += coded[0].length;
      return one(String.fromCodePoint(parseInt(coded[1] ?? coded[2] ?? coded[3]!, 16)));
    }
    const escaped = this.#text[this.#at++] ?? "";
    if (/[1-9k]/.test(escaped)) throw this.#unknown();
    return ESCAPES[escaped] ?? one(escaped);
  }

  /** Both cases of its letters, where case does not count. */
  #cased(set: CharSet): CharSet {
    if (!this.#flags.includes("i")) return set;
    return set | ((set & LOWER) >> CASE) | ((set & UPPER) << CASE);
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #unknown(): Error {
    return new Error(`Cannot read /${this.#text}/ at ${this.#at}`);
  }
}

function one(char: string): CharSet {
  const code = char.codePointAt(0)!;
  return code < 128 ? 1n << BigInt(code) : OTHER;
}

function range(from: string, to: string): CharSet {
  return between(one(from), one(to));
}

/** The characters from one to another, both of which are single ones. */
function between(from: CharSet, to: CharSet): CharSet {
  return ((to << 1n) - 1n) & ~(from - 1n);
}

function isSingle(set: CharSet): boolean {
  return set !== 0n && (set & (set - 1n)) === 0n;
}

function union(a: CharSet, b: CharSet): CharSet {
  return a | b;
}
