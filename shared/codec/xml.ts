/**
 * XML: the ProtoJSON value in another syntax, directed by the descriptor.
 *
 *     message       its fields as elements of the JSON name (input: or the proto name)
 *     repeated      the element again and again, no wrapper
 *     map           one element with <key> and <value> for each entry
 *     scalar, enum  the text of its ProtoJSON
 *     string        the text unchanged; encoding="base64" for what XML cannot hold
 *     Any           the payload, with its type in type="…"; an Any in it is in <value>;
 *                   encoding="protobuf" and its bytes as base64 for types that are not known
 *     Struct, …     compact JSON
 *     null          absent; xsi:nil="true" is accepted
 *
 * @module
 */
import protobuf from "protobufjs";
import { Fault, fieldStep, type Path } from "./fault.ts";
import {
  fieldsByName,
  findType,
  fullName,
  isWellKnown,
  typeOfUrl,
  wrappedField,
} from "./fields.ts";
import { readJson } from "./json.ts";
import type { Node, NodeEntry } from "./node.ts";
import { isInteger, readBase64 } from "./scalar.ts";
import { readElements, type XmlElement } from "./xml_tree.ts";

/**
 * Reads all documents, each a message of this type.
 *
 * @throws {Fault} Where it is no XML, or no XML of such a message. Names and values are left to
 *   the reader of messages.
 */
export function readXml(text: string, type: protobuf.Type): Node[] {
  type.root.resolveAll();
  return readElements(text).map((root) => {
    if (root.name !== type.name && root.name !== fullName(type)) {
      throw new Fault(root.at, `Expected the element <${type.name}>, found <${root.name}>`);
    }
    return messageNode(type, root, { step: `/${root.name}` });
  });
}

const JSON_TYPES = new Set(["Struct", "Value", "ListValue"].map((n) => `.google.protobuf.${n}`));

function messageNode(type: protobuf.Type, element: XmlElement, path: Path): Node {
  if (type.fullName === ".google.protobuf.Any") return anyNode(type, element, path);
  const wrapped = wrappedField(type);
  if (JSON_TYPES.has(type.fullName)) return jsonNode(element, path);
  if (wrapped !== undefined) return scalarNode(wrapped, element, path);
  if (isWellKnown(type)) return stringNode(element, plainText(element, path));
  allowAttributes(element, path);
  return { kind: "object", at: element.at, entries: fieldEntries(type, element, path) };
}

/** One entry for each field that is there; a singular field that is there twice has two. */
function fieldEntries(type: protobuf.Type, element: XmlElement, path: Path): NodeEntry[] {
  if (element.text.trim() !== "") {
    throw new Fault(element.at, `Expected elements, found the text ${shown(element.text)}`, path);
  }
  const fields = fieldsByName(type);
  const entries: NodeEntry[] = [];
  const lists = new Map<protobuf.Field, Node[]>();
  const maps = new Map<protobuf.Field, NodeEntry[]>();
  for (const child of element.children) {
    const field = fields.get(child.name);
    const here = fieldStep(path, child.name);
    const entry = (value: Node) => entries.push({ key: child.name, at: child.at, value });
    if (field === undefined) {
      // The reader of messages refuses it, or skips it.
      entry({ kind: "null", at: child.at });
    } else if (field instanceof protobuf.MapField) {
      let parts = maps.get(field);
      if (parts === undefined) {
        maps.set(field, parts = []);
        entry({ kind: "object", at: child.at, entries: parts });
      }
      parts.push(mapEntry(field, child, here));
    } else if (field.repeated) {
      let items = lists.get(field);
      if (items === undefined) {
        lists.set(field, items = []);
        entry({ kind: "list", at: child.at, items });
      }
      items.push(valueNode(field, child, here));
    } else {
      entry(valueNode(field, child, here));
    }
  }
  return entries;
}

function mapEntry(field: protobuf.MapField, element: XmlElement, path: Path): NodeEntry {
  allowAttributes(element, path);
  const named = (name: string) => element.children.filter((child) => child.name === name);
  const [[key, ...keys], [value, ...values]] = [named("key"), named("value")];
  const others = element.children.length - keys.length - values.length;
  if (!key || !value || keys.length + values.length > 0 || others !== 2 || element.text.trim()) {
    throw new Fault(element.at, "Expected one <key> and one <value>", path);
  }
  const text = field.keyType === "string"
    ? stringText(key, fieldStep(path, "key"))
    : plainText(key, fieldStep(path, "key"));
  return { key: text, at: key.at, value: valueNode(field, value, fieldStep(path, "value")) };
}

/** The value of one element of a field. */
function valueNode(field: protobuf.FieldBase, element: XmlElement, path: Path): Node {
  if (isNil(element)) return { kind: "null", at: element.at };
  const { resolvedType } = field;
  return resolvedType instanceof protobuf.Type
    ? messageNode(resolvedType, element, path)
    : scalarNode(field, element, path);
}

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false };
const INFINITIES: Readonly<Record<string, string>> = { INF: "Infinity", "-INF": "-Infinity" };

function scalarNode(field: protobuf.FieldBase, element: XmlElement, path: Path): Node {
  const { at } = element;
  if (field.type === "string") return stringNode(element, stringText(element, path));
  const text = plainText(element, path);
  if (field.resolvedType instanceof protobuf.Enum) {
    return /^-?[0-9]+$/.test(text) ? { kind: "number", at, text } : { kind: "string", at, text };
  }
  if (field.type === "bool" && Object.hasOwn(BOOLEANS, text)) {
    return { kind: "boolean", at, value: BOOLEANS[text]! };
  }
  if (field.type === "bytes") return stringNode(element, text.replace(/\s+/g, ""));
  if (isInteger(field.type)) return stringNode(element, text);
  return stringNode(element, INFINITIES[text] ?? text);
}

function stringNode(element: XmlElement, text: string): Node {
  return { kind: "string", at: element.at, text };
}

/** Text in which white space at the ends means nothing. */
function plainText(element: XmlElement, path: Path): string {
  allowAttributes(element, path);
  return leafText(element, path).trim();
}

/** Text, unchanged. */
function stringText(element: XmlElement, path: Path): string {
  allowAttributes(element, path, ["encoding"]);
  const text = leafText(element, path);
  return element.attributes.has("encoding") ? decodeBase64(element, text, path) : text;
}

function leafText(element: XmlElement, path: Path): string {
  const [child] = element.children;
  if (child === undefined) return element.text;
  throw new Fault(child.at, `Expected text, found the element <${child.name}>`, path);
}

function decodeBase64(element: XmlElement, text: string, path: Path): string {
  const encoding = element.attributes.get("encoding");
  if (encoding !== "base64") {
    throw new Fault(element.at, `Expected encoding="base64", found ${shown(encoding ?? "")}`, path);
  }
  const bytes = readBase64(text.replace(/\s+/g, ""));
  try {
    if (bytes !== undefined) {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    }
  } catch {
    // Told below: what is no base64 and what is base64 of no UTF-8 are wrong alike.
  }
  throw new Fault(element.at, `Expected base64 of UTF-8 text, found ${shown(text)}`, path);
}

function jsonNode(element: XmlElement, path: Path): Node {
  const text = plainText(element, path);
  let nodes: Node[];
  try {
    nodes = readJson(text, { at: element.at });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(element.at, `Expected JSON: ${error.message}`, path);
  }
  const [node] = nodes;
  if (nodes.length === 1 && node !== undefined) return node;
  throw new Fault(element.at, `Expected one JSON value, found ${shown(text)}`, path);
}

function anyNode(type: protobuf.Type, element: XmlElement, path: Path): Node {
  const { at } = element;
  allowAttributes(element, path, ["type", "encoding"]);
  const url = element.attributes.get("type");
  if (url === undefined) {
    if (element.children.length === 0 && element.text.trim() === "") {
      return { kind: "object", at, entries: [] };
    }
    throw new Fault(at, 'Expected the attribute type="type.googleapis.com/…"', path);
  }
  const entries: NodeEntry[] = [{ key: "@type", at, value: stringNode(element, url) }];
  const payload = findType(type.root, typeOfUrl(url));
  const inner = withoutType(element);
  if (element.attributes.get("encoding") === "protobuf") {
    const value = stringNode(element, leafText(element, path).replace(/\s+/g, ""));
    entries.push({ key: "@bytes", at, value });
  } else if (payload?.fullName === type.fullName) {
    const [value, other] = element.children;
    if (value?.name !== "value" || other !== undefined || element.text.trim() !== "") {
      throw new Fault(at, "Expected one <value>, which holds the Any", path);
    }
    entries.push({ key: "value", at, value: anyNode(type, value, fieldStep(path, "value")) });
  } else if (payload !== undefined && isWellKnown(payload)) {
    entries.push({ key: "value", at, value: messageNode(payload, inner, path) });
  } else if (payload !== undefined) {
    allowAttributes(inner, path);
    entries.push(...fieldEntries(payload, inner, path));
  }
  return { kind: "object", at, entries };
}

/** The element as if it were one of the payload's own type. */
function withoutType(element: XmlElement): XmlElement {
  const attributes = new Map(element.attributes);
  attributes.delete("type");
  return { ...element, attributes };
}

/** Attributes of XML itself, which say nothing about the value. */
const META = /^(xmlns(:.*)?|xml:space|xsi:(nil|type|schemaLocation|noNamespaceSchemaLocation))$/;

function isNil({ attributes }: XmlElement): boolean {
  return /^(true|1)$/.test(attributes.get("xsi:nil") ?? "");
}

function allowAttributes(element: XmlElement, path: Path, names: readonly string[] = []): void {
  for (const name of element.attributes.keys()) {
    if (names.includes(name) || META.test(name)) continue;
    throw new Fault(element.at, `Unknown attribute "${name}": write it as an element`, path);
  }
}

function shown(text: string): string {
  const trimmed = text.trim();
  return JSON.stringify(trimmed.length > 60 ? `${trimmed.slice(0, 60)}…` : trimmed);
}
