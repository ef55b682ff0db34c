/**
 * The text of a Fluentd config (version 1 syntax) as a tree. Only for looking at what somebody else
 * runs: Fluentd alone decides what a config means, and whether it is valid.
 *
 *     <source>                      { name: "source", params: { "@type": "tcp", port: "5170" },
 *       @type tcp            →        children: [ { name: "@include", arg: "parse/*.conf" } ] }
 *       port 5170 # a comment
 *       @include parse/*.conf
 *     </source>
 *
 * @see https://docs.fluentd.org/configuration/config-file
 * @module
 */

/** A section of a config, or an `@include` that is not resolved yet. */
export interface ConfigElement {
  readonly name: string;
  /** What stands after the name: the pattern of `<match app.**>`, the number of `<worker 0>`. */
  readonly arg: string;
  readonly params: ReadonlyMap<string, string>;
  readonly children: readonly ConfigElement[];
}

/** The name of an element that stands for other files. */
export const INCLUDE = "@include";

/** Fluentd itself has no limit; a person's config does not come near it. */
const MAX_DEPTH = 32;
/** Characters that are read in search of ends of values that do not come; then values end with their lines. */
const MAX_VAIN_CHARS = 1024 * 1024;

interface OpenElement extends ConfigElement {
  readonly params: Map<string, string>;
  readonly children: ConfigElement[];
}

function element(name: string, arg = ""): OpenElement {
  return { name, arg, params: new Map(), children: [] };
}

/** Of a Fluentd whose config cannot be read. */
export const NO_CONFIG: ConfigElement = element("ROOT");

/** Reads a text. What cannot be read is left out: a dry run is who complains. */
export function parseFluentdConfig(text: string): ConfigElement {
  const root = element("ROOT");
  const open = [root];
  const budget = { chars: MAX_VAIN_CHARS };
  const lines = text.split(/\r?\n/);
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!.trim();
    const top = open.at(-1)!;
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("</")) {
      if (open.length > 1) open.pop();
      continue;
    }
    const [, name, arg = ""] = /^<\s*([\w@-]+)\s*([^>]*)>/.exec(line) ?? [];
    if (name !== undefined) {
      const child = element(name, arg.trim());
      top.children.push(child);
      if (open.length < MAX_DEPTH) open.push(child);
      continue;
    }
    const [, key = "", first = ""] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    const [value, last] = readValue(lines, i, first, budget);
    i = last;
    if (key === INCLUDE || key === "include") top.children.push(element(INCLUDE, value));
    else top.params.set(key, value);
  }
  return root;
}

/** A value and the line that it ends on: quoted strings, arrays and hashes may go on for several. */
function readValue(
  lines: readonly string[],
  at: number,
  first: string,
  budget: { chars: number },
): [string, number] {
  const quote = first[0];
  if (quote !== '"' && quote !== "'" && quote !== "[" && quote !== "{") {
    return [first.replace(/\s+#.*$/, ""), at];
  }
  const isWhole = quote === '"' || quote === "'" ? hasEndOf(quote) : isBalanced();
  let text = first;
  for (let i = at, fresh = first; i < lines.length; fresh = lines[++i] ?? "") {
    if (i > at) {
      if (text.length > budget.chars) break;
      text += `\n${fresh}`;
    }
    if (!isWhole(fresh)) continue;
    if (quote === "[" || quote === "{") return [text.replace(/\s+#[^"'\]}]*$/, ""), i];
    return [text.slice(1, text.lastIndexOf(quote)), i];
  }
  budget.chars -= text.length;
  return [first, at];
}

/** Fed line by line: whether the quote that the first line begins with has been closed. */
function hasEndOf(quote: string): (line: string) => boolean {
  let begun = false;
  return (line) => {
    for (let i = begun ? 0 : 1; i < line.length; i++) {
      if (line[i] === "\\") i++;
      else if (line[i] === quote) return true;
    }
    begun = true;
    return false;
  };
}

/** Fed line by line: whether all brackets outside of strings have been closed. */
function isBalanced(): (line: string) => boolean {
  let depth = 0;
  let quoted = false;
  return (line) => {
    for (let i = 0; i < line.length; i++) {
      if (line[i] === "\\") i++;
      else if (line[i] === '"') quoted = !quoted;
      else if (!quoted && (line[i] === "[" || line[i] === "{")) depth++;
      else if (!quoted && (line[i] === "]" || line[i] === "}")) depth--;
    }
    return depth <= 0 && !quoted;
  };
}

/** A value that is written out; `undefined` where it is Ruby, which only Fluentd may carry out. */
export function literal(value: string | undefined): string | undefined {
  return value === undefined || value.includes("#{") ? undefined : value;
}
