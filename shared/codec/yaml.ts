/**
 * YAML 1.2, core schema: the ProtoJSON value in another syntax, `---` before each document.
 *
 * Refused, because what they mean is nowhere written down: tags, keys that are no scalars.
 * Numbers keep their text. There are no dates; `<<` is a plain key. What YAML 1.1 would take for
 * something else, such as `010` or `yes`, is refused where it matters: see `yaml_trap.ts`.
 *
 * @module
 */
import {
  type Alias,
  Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node as YamlNode,
  parseAllDocuments,
  type Scalar,
  visit,
  type YAMLMap,
} from "yaml";
import { escapeObeyed, OBEYED } from "../text/safe_json.ts";
import { MAX_ALIASED_VALUES, MAX_DEPTH, MAX_DOCUMENTS } from "./bounds.ts";
import { Fault } from "./fault.ts";
import type { Node, NodeEntry } from "./node.ts";
import type { CommentOf, Value } from "./value.ts";
import { trapOf } from "./yaml_trap.ts";

const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/**
 * Reads all documents. An empty one, or one of comments only, is `null`; the last one is left
 * out when nothing at all follows its `---`.
 *
 * @throws {Fault} At the first character that is wrong.
 */
export function readYaml(text: string): Node[] {
  let documents: Document[];
  try {
    documents = [...parseAllDocuments(text, {
      schema: "core",
      intAsBigInt: true,
      // Whoever reads the node finds equal keys; here they would cost the square of their number.
      uniqueKeys: false,
      merge: false,
      prettyErrors: false,
    })] as Document[];
  } catch (error) {
    if (error instanceof RangeError) throw new Fault(0, clear(error.message));
    throw error;
  }
  if (documents.length > MAX_DOCUMENTS) throw new Fault(0, `More than ${MAX_DOCUMENTS} documents`);
  const nodes = documents.map((document) => new YamlReader(document).read());
  const last = documents.at(-1);
  if (documents.length > 1 && isScalar(last?.contents) && last.contents.source === "") {
    if (typeof last.contents.comment !== "string") nodes.pop();
  }
  return nodes;
}

/** The parser calls itself for each level, until the stack ends. */
function clear(message: string): string {
  return message.includes("call stack") ? `Nested more than ${MAX_DEPTH} deep` : message;
}

class YamlReader {
  readonly #document: Document;
  /** The last node of each anchor so far. The library looks for it in the whole document, each time. */
  readonly #anchors = new Map<string, YamlNode>();
  /** What an alias stands for where it is written, should its anchor be used again later. */
  readonly #targets = new Map<Alias, YamlNode | undefined>();
  #aliases = 0;
  #aliased = 0;

  constructor(document: Document) {
    this.#document = document;
  }

  read(): Node {
    const [error] = this.#document.errors;
    if (error !== undefined) throw new Fault(error.pos[0], clear(error.message));
    return this.#node(this.#document.contents, 0, this.#document.range?.[0] ?? 0);
  }

  /** @param outside The place for what has none of its own: an absent value. */
  #node(node: YamlNode | null, depth: number, outside: number): Node {
    const at = node?.range?.[0] ?? outside;
    if (depth > MAX_DEPTH) throw new Fault(at, `Nested more than ${MAX_DEPTH} deep`);
    if (this.#aliases > 0 && ++this.#aliased > MAX_ALIASED_VALUES) {
      throw new Fault(at, `Aliases stand for more than ${MAX_ALIASED_VALUES} values`);
    }
    if (node === null) return { kind: "null", at };
    if (isAlias(node)) return this.#alias(node, depth, at);
    const { tag, anchor } = node as Scalar;
    if (anchor !== undefined && this.#aliases === 0) this.#anchors.set(anchor, node);
    if (tag !== undefined) {
      const shown = tag.replace(/^tag:yaml\.org,2002:/, "!!");
      throw new Fault(at, `Expected no tag, found ${shown}: leave it out`);
    }
    if (isMap(node)) {
      const entries = node.items.map((pair) =>
        this.#entry(pair.key as YamlNode | null, pair.value as YamlNode | null, depth, at)
      );
      return { kind: "object", at, entries };
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => this.#node(item as YamlNode | null, depth + 1, at));
      return { kind: "list", at, items };
    }
    return scalarNode(node as Scalar, at);
  }

  #alias(alias: Alias, depth: number, at: number): Node {
    if (!this.#targets.has(alias)) this.#targets.set(alias, this.#anchors.get(alias.source));
    const target = this.#targets.get(alias);
    if (target === undefined) throw new Fault(at, `Unknown alias "*${alias.source}"`);
    this.#aliases++;
    const node = this.#node(target, depth + 1, at);
    this.#aliases--;
    return node;
  }

  #entry(key: YamlNode | null, value: YamlNode | null, depth: number, outside: number): NodeEntry {
    const name = this.#node(key, depth + 1, outside);
    if (name.kind === "object" || name.kind === "list" || name.kind === "null") {
      throw new Fault(name.at, "Expected a name as key");
    }
    // As it was written: `1.10:` is the name "1.10".
    const text = isScalar(key) && key.source !== undefined ? key.source : undefined;
    const written = "text" in name ? name.text : String(name.value);
    return {
      key: name.kind === "string" ? written : text ?? written,
      at: name.at,
      value: this.#node(value, depth + 1, name.at),
    };
  }
}

function scalarNode({ value, source = "", type }: Scalar, at: number): Node {
  const trap = type === "PLAIN" ? trapOf(source) : undefined;
  const trapped = trap !== undefined && { trap };
  switch (typeof value) {
    case "string":
      return { kind: "string", at, text: value, ...trapped };
    case "boolean":
      return { kind: "boolean", at, value };
    case "number":
    case "bigint":
      return {
        kind: "number",
        at,
        text: JSON_NUMBER.test(source) ? source : String(value),
        ...trapped,
      };
    default:
      return { kind: "null", at };
  }
}

export interface WriteYamlOptions {
  /** Comments to write before entries. */
  readonly commentOf?: CommentOf;
}

/** Writes a document with its `---`, ending in a newline. */
export function writeYaml(value: Value, options: WriteYamlOptions = {}): string {
  const document = new Document(value, { schema: "core", aliasDuplicateObjects: false });
  visit(document, { Scalar: (_, scalar) => styleScalar(scalar) });
  if (options.commentOf !== undefined && isMap(document.contents)) {
    addComments(document.contents, options.commentOf, []);
  }
  // Quotes also what YAML 1.1 would take for a boolean, a date or an octal number.
  document.setSchema("1.2", { schema: "core", compat: "yaml-1.1" });
  return `---\n${escapeObeyed(document.toString({ lineWidth: 0, blockQuote: "literal" }))}`;
}

/** White space that a block of lines would not keep, or that nobody would see in it. */
const NOT_IN_BLOCK = /^\s|\n[ \t]+\n|[ \t]\n|\s\s$|[ \t]$|[^\n\t\x20-\x7e\xa0-\uffff]/;

/** Lines are written as lines where that is safe, and in double quotes else. */
function styleScalar(scalar: Scalar): void {
  if (typeof scalar.value !== "string") return;
  // Only there they can be escaped.
  if (scalar.value.search(OBEYED) >= 0) scalar.type = "QUOTE_DOUBLE";
  else if (scalar.value.includes("\n")) {
    scalar.type = NOT_IN_BLOCK.test(scalar.value) ? "QUOTE_DOUBLE" : "BLOCK_LITERAL";
  }
}

function addComments(map: YAMLMap, commentOf: CommentOf, path: readonly string[]): void {
  for (const { key, value } of map.items as { key: Scalar<string>; value: unknown }[]) {
    const here = [...path, key.value];
    const comment = commentOf(here);
    if (comment !== undefined) key.commentBefore = ` ${comment}`;
    if (isMap(value)) addComments(value, commentOf, here);
    if (isSeq(value)) {
      for (const item of value.items) if (isMap(item)) addComments(item, commentOf, here);
    }
  }
}
