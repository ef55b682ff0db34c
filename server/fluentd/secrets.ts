/**
 * The secrets of the managed config, so that they can be taken out of an answer wherever they stand and
 * whatever surrounds them: a form alone cannot tell that `hunter2` in an error is somebody's password.
 *
 * Which parameters are secret is told by their name (redact.ts).
 *
 * @module
 */
import { type ConfigElement, literal } from "./config_text.ts";
import { isSecretName, MASK, redact } from "./redact.ts";

/** A shorter one would be found within words, and masking them would show it. */
const MIN_LENGTH = 6;
/** Values of one config; more are masked by their form alone. */
const MAX_VALUES = 500;
/** Of one value: what is longer is a file in a parameter. */
const MAX_LENGTH = 8192;

/** All secret values of a config. */
export function secretsOf(root: ConfigElement, found = new Set<string>()): Set<string> {
  for (const [name, value] of root.params) {
    if (name.startsWith("@") || !isSecretName(name) || literal(value) === undefined) continue;
    if (value.length < MIN_LENGTH || value.length > MAX_LENGTH) continue;
    if (found.size < MAX_VALUES) found.add(value);
  }
  for (const child of root.children) secretsOf(child, found);
  return found;
}

/** Takes known values and what looks like a secret out of texts. */
export class Mask {
  #pattern: RegExp | undefined;

  /** What is secret from now on. */
  know(secrets: Iterable<string>): void {
    const forms = new Set([...secrets].flatMap(formsOf));
    // The longest first: one may be the beginning of another.
    const words = [...forms].toSorted((a, b) => b.length - a.length).map(escapeRegExp);
    this.#pattern = words.length === 0 ? undefined : new RegExp(words.join("|"), "g");
  }

  text(text: string): string {
    const known = this.#pattern === undefined ? text : text.replace(this.#pattern, MASK);
    return redact(known);
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
}

/** How a value is written in a config, in Ruby, in JSON, in JSON within JSON, in a URL, and in a header. */
function formsOf(secret: string): string[] {
  const once = JSON.stringify(secret).slice(1, -1);
  const twice = JSON.stringify(once).slice(1, -1);
  const text = new TextEncoder().encode(secret);
  const base64 = btoa(String.fromCharCode(...text)).replace(/={1,2}$/, "");
  return [secret, once, twice, encodeURIComponent(secret), base64];
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}
