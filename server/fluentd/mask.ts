/**
 * Takes secrets out of all that leaves this machine: those that are known (secrets.ts), and what looks
 * like one (redact.ts).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { MASK, redact } from "./log/redact.ts";

/** Secrets that are remembered: those of the config as it is, and those that it had. */
const MAX_REMEMBERED = 1000;
/** A line as long as this may have been cut, and with it a secret at its end. */
const MAY_BE_CUT = 200;
/** The beginning of a secret that is taken for one. */
const MIN_HEAD = 4;
/** A shorter line of a secret of several lines is masked only together with the others. */
const MIN_LINE = 6;
/** A longer one is no password. */
const MAX_HEAD = 500;

/** Replaces secrets by a mask in all that leaves this machine. */
export class Mask {
  /** What was known last is last. */
  readonly #secrets = new Set<string>();
  #forms: readonly string[] = [];
  #pattern: RegExp | undefined;

  /** What is secret from now on. What once was remains so: logs still have it. */
  know(secrets: Iterable<string>): void {
    const unknown = [...secrets].filter((secret) => !this.#secrets.has(secret));
    if (unknown.length === 0) return;
    for (const secret of unknown) this.#secrets.add(secret);
    for (const secret of this.#secrets) {
      if (this.#secrets.size <= MAX_REMEMBERED) break;
      this.#secrets.delete(secret);
    }
    // The longest first: one may be the beginning of another.
    this.#forms = [...new Set([...this.#secrets].flatMap(formsOf))]
      .toSorted((a, b) => b.length - a.length);
    this.#pattern = new RegExp(this.#forms.map(RegExp.escape).join("|"), "g");
  }

  text(text: string): string {
    return redact(this.known(text));
  }

  /** Without a judgement by form, for texts that are ours. */
  known(text: string): string {
    return this.#withoutHeads(
      this.#pattern === undefined ? text : text.replace(this.#pattern, MASK),
    );
  }

  /** The same value with all its texts masked; what has none stays the same. */
  deep<T>(value: T): T {
    if (typeof value === "string") return this.text(value) as T;
    if (Array.isArray(value)) return value.map((item) => this.deep(item)) as T;
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
    if (Object.getPrototypeOf(value) !== Object.prototype) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.deep(item)]),
    ) as T;
  }

  /** A long line may have been cut in the middle of a secret. */
  #withoutHeads(text: string): string {
    if (text.length < MAY_BE_CUT || this.#forms.length === 0) return text;
    return text.split("\n").map((line) => {
      if (line.length < MAY_BE_CUT) return line;
      const heads = this.#forms.map((form) => headAtEnd(line, form));
      const longest = Math.max(...heads);
      return longest < MIN_HEAD ? line : line.slice(0, -longest) + MASK;
    }).join("\n");
  }
}

/** How many characters of the beginning of `form` the line ends with. */
function headAtEnd(line: string, form: string): number {
  const end = line.slice(-MAX_HEAD);
  const begin = form.slice(0, MIN_HEAD);
  for (let at = end.indexOf(begin); at !== -1; at = end.indexOf(begin, at + 1)) {
    if (form.startsWith(end.slice(at))) return end.length - at;
  }
  return 0;
}

/**
 * How a value is written in a config, in Ruby, in JSON, in JSON within JSON, in a URL, and in a header.
 * Logs are read line by line, so each of its lines counts.
 */
function formsOf(secret: string): string[] {
  const lines = secret.split(/\r?\n|\\n/).filter((line) =>
    line.length >= MIN_LINE && !line.startsWith("-----") && line !== secret
  );
  return [secret, ...lines].flatMap(waysToWrite);
}

function waysToWrite(secret: string): string[] {
  const once = JSON.stringify(secret).slice(1, -1);
  const twice = JSON.stringify(once).slice(1, -1);
  const base64 = Buffer.from(secret).toString("base64").replace(/={1,2}$/, "");
  return [secret, once, twice, encodeURIComponent(secret.toWellFormed()), base64];
}
