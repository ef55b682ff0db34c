/**
 * The text of a Fluentd config in YAML (1.15+) as the same tree as one in its own syntax.
 *
 *     config:
 *       - source:                          <source>
 *           $type: tcp                       @type tcp
 *           port: 5170                →      port 5170
 *           parse: { $type: none }           <parse> @type none </parse>
 *       - match: { $tag: "app.**" }        </source> <match app.**> </match>
 *       - !include more.yaml               @include more.yaml
 *
 * @see https://docs.fluentd.org/configuration/config-file-yaml
 * @module
 */
import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument, type YAMLMap } from "yaml";
import { type ConfigElement, INCLUDE } from "./text.ts";

/** Sections within sections. */
const MAX_DEPTH = 32;
/** Values of one file, each as often as an alias repeats it. */
const MAX_NODES = 100_000;

const INCLUDE_TAG = "!include";
const JSON_TAG = "!fluent/json";
/** Members of a section that have another name in Fluentd's own syntax. */
const NAMES: Readonly<Record<string, string>> = {
  "$type": "@type",
  "$label": "@label",
  "$id": "@id",
  "$log_level": "@log_level",
};
/** Sections that hold a list of others in `config`; each with the member that stands after its name. */
const GROUPS: Readonly<Record<string, string>> = { label: "$name", worker: "$arg" };

/**
 * Reads a text; a file that another one includes is a list of sections.
 *
 * @throws {RangeError} If it is no YAML, or has too much in it: as in Fluentd, nothing of it counts then.
 */
export function parseYamlConfig(text: string): ConfigElement {
  const document = parseDocument(text, {
    schema: "core",
    // As in Ruby, the last one counts; the library compares each key with each other one.
    uniqueKeys: false,
    merge: false,
    prettyErrors: false,
    // Fluentd's own tags are read below.
    logLevel: "error",
  });
  if (document.errors.length > 0) throw new RangeError("Cannot read the config: it is no YAML");
  const reader = new Reader();
  const contents = document.contents as Node | null;
  const children: ConfigElement[] = [];
  if (isMap(contents)) {
    const members = new Map(reader.members(contents));
    const system = members.get("system");
    if (system !== undefined) children.push(reader.section("system", system, 0));
    children.push(...reader.list(members.get("config"), 0));
  } else {
    children.push(...reader.list(contents, 0));
  }
  return { name: "ROOT", arg: "", params: new Map(), children };
}

/** Reads nodes, and counts them. */
class Reader {
  readonly #anchors = new Map<string, Node>();
  #nodes = 0;

  /** The node itself, or what its alias stands for. */
  #resolved(node: unknown): Node | undefined {
    if (++this.#nodes > MAX_NODES) {
      throw new RangeError(`Cannot read the config: it has more than ${MAX_NODES} values`);
    }
    if (isAlias(node)) return this.#anchors.get(node.source);
    const found = node as Node | null ?? undefined;
    const { anchor } = (found ?? {}) as { anchor?: string };
    if (found !== undefined && anchor !== undefined) this.#anchors.set(anchor, found);
    return found;
  }

  /** Members of a mapping, with those that `<<` takes from another one. */
  members(map: YAMLMap): [name: string, value: Node][] {
    const found: [string, Node][] = [];
    for (const { key, value } of map.items) {
      const node = this.#resolved(value);
      const name = textOf(this.#resolved(key));
      if (node === undefined || name === undefined) continue;
      if (name === "<<" && isMap(node)) found.unshift(...this.members(node));
      else found.push([name, node]);
    }
    return found;
  }

  /** A list of sections, or the file that has it. */
  *list(node: unknown, depth: number): Generator<ConfigElement> {
    const list = this.#resolved(node);
    const file = includedBy(list);
    if (file !== undefined) yield file;
    if (!isSeq(list)) return;
    for (const item of list.items) {
      const element = this.#resolved(item);
      const file = includedBy(element);
      if (file !== undefined) yield file;
      if (!isMap(element)) continue;
      for (const [name, body] of this.members(element)) yield this.section(name, body, depth);
    }
  }

  section(name: string, node: unknown, depth: number): ConfigElement {
    const params = new Map<string, string>();
    const children: ConfigElement[] = [];
    let arg = "";
    const map = this.#resolved(node);
    if (!isMap(map) || depth > MAX_DEPTH) return { name, arg, params, children };
    const group = Object.hasOwn(GROUPS, name) ? GROUPS[name] : undefined;
    for (const [key, value] of this.members(map)) {
      if (key === group || key === "$arg" || key === "$tag") {
        arg = this.#words(value);
      } else if (group !== undefined && key === "config") {
        children.push(...this.list(value, depth + 1));
      } else if (value.tag === JSON_TAG) {
        params.set(key, JSON.stringify(this.#plain(value, depth)));
      } else if (isMap(value)) {
        children.push(this.section(key, value, depth + 1));
      } else if (isSeq(value)) {
        for (const item of value.items) children.push(this.section(key, item, depth + 1));
      } else {
        const text = textOf(value);
        if (text !== undefined) {
          params.set(Object.hasOwn(NAMES, key) ? NAMES[key]! : key, text);
        }
      }
    }
    return { name, arg, params, children };
  }

  /** `[a, b]` is `a,b`. */
  #words(value: Node): string {
    if (!isSeq(value)) return textOf(value) ?? "";
    return value.items.map((item) => textOf(this.#resolved(item)) ?? "").join(",");
  }

  #plain(node: unknown, depth: number): unknown {
    const value = this.#resolved(node);
    if (depth > MAX_DEPTH) return null;
    if (isMap(value)) {
      const members = this.members(value);
      return Object.fromEntries(
        members.map(([name, item]) => [name, this.#plain(item, depth + 1)]),
      );
    }
    if (isSeq(value)) return value.items.map((item) => this.#plain(item, depth + 1));
    return isScalar(value) ? value.value : null;
  }
}

function includedBy(node: unknown): ConfigElement | undefined {
  if (!isScalar(node) || node.tag !== INCLUDE_TAG) return undefined;
  return { name: INCLUDE, arg: textOf(node) ?? "", params: new Map(), children: [] };
}

/** As it is written: `0644` is a mode, not a number. Nothing for null. */
function textOf(node: unknown): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined;
  return typeof node.value === "string" ? node.value : node.source ?? String(node.value);
}
