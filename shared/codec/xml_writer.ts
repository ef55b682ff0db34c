/**
 * The twin of `xml.ts`: ProtoJSON value → XML.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import protobuf from "protobufjs";
import {
  fieldsByName,
  findType,
  isWellKnown,
  jsonName,
  protoName,
  typeOfUrl,
  wrappedField,
} from "./fields.ts";
import { OBEYED } from "../text/safe_json.ts";
import { writeJson } from "./json.ts";
import type { CommentOf, Value, ValueMap } from "./value.ts";

export interface WriteXmlOptions {
  /** Comments to write before elements. */
  readonly commentOf?: CommentOf;
}

/** Writes the value of a message as a document with its declaration, ending in a newline. */
export function writeXml(
  value: Value,
  type: protobuf.Type,
  options: WriteXmlOptions = {},
): string {
  type.root.resolveAll();
  const writer = new XmlWriter(options.commentOf ?? (() => undefined));
  writer.message(type, value, { tag: type.name, indent: "", path: [] });
  return `<?xml version="1.0" encoding="UTF-8"?>\n${writer.text}`;
}

/** Where an element goes: its name, the white space before it, the way to it. */
interface Place {
  readonly tag: string;
  /** Each with a space before it. */
  readonly attributes?: string;
  readonly indent: string;
  readonly path: readonly string[];
}

class XmlWriter {
  text = "";
  readonly #commentOf: CommentOf;

  constructor(commentOf: CommentOf) {
    this.#commentOf = commentOf;
  }

  message(type: protobuf.Type, value: Value, place: Place): void {
    if (type.fullName === ".google.protobuf.Any") return this.#any(type, value as ValueMap, place);
    const isText = /\.(Timestamp|Duration|FieldMask)$/.test(type.fullName);
    // An odd one has no text, but its fields.
    if (!isWellKnown(type) || (isText && value instanceof Map)) {
      return this.#fields(type, value as ValueMap, place);
    }
    const wrapped = wrappedField(type);
    if (wrapped !== undefined && wrapped.resolvedType === null) return this.#leaf(value, place);
    // The rest is text of its own, or JSON.
    this.#leaf(isText ? value : writeJson(value).replace(/[\ufffe\uffff]/g, jsonEscape), place);
  }

  #fields(type: protobuf.Type, values: ValueMap, place: Place): void {
    const { tag, indent, attributes = "" } = place;
    const fields = fieldsByName(type);
    const entries = [...values];
    const isEmpty = entries.every(([, value]) => Array.isArray(value) && value.length === 0);
    if (isEmpty) {
      this.text += `${indent}<${tag}${attributes}/>\n`;
      return;
    }
    this.text += `${indent}<${tag}${attributes}>\n`;
    for (const [key, value] of entries) this.#field(fields.get(key)!, value, place);
    this.text += `${indent}</${tag}>\n`;
  }

  #field(field: protobuf.Field, value: Value, { indent, path }: Place): void {
    const tag = elementName(field);
    const place = { tag, indent: `${indent}  `, path: [...path, jsonName(field)] };
    const comment = this.#commentOf(place.path);
    if (comment !== undefined) {
      this.text += `${place.indent}<!-- ${comment.replaceAll("--", "- -")} -->\n`;
    }
    if (field instanceof protobuf.MapField) {
      for (const [key, one] of value as ValueMap) this.#entry(field, [key, one], place);
    } else if (field.repeated) {
      for (const item of value as Value[]) this.#one(field, item, place);
    } else {
      this.#one(field, value, place);
    }
  }

  #entry(field: protobuf.MapField, [key, value]: [string, Value], place: Place): void {
    const { tag, indent, path } = place;
    const inner = `${indent}  `;
    this.text += `${indent}<${tag}>\n`;
    this.#leaf(key, { tag: "key", indent: inner, path });
    this.#one(field, value, { tag: "value", indent: inner, path: [...path, key] });
    this.text += `${indent}</${tag}>\n`;
  }

  #one(field: protobuf.FieldBase, value: Value, place: Place): void {
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type) this.message(resolvedType, value, place);
    else this.#leaf(value === null ? "NULL_VALUE" : value, place);
  }

  #any(type: protobuf.Type, values: ValueMap, place: Place): void {
    const { tag, indent, path } = place;
    const url = values.get("@type");
    if (typeof url !== "string") {
      this.text += `${indent}<${tag}/>\n`;
      return;
    }
    const attributes = ` type="${escapeText(url).replaceAll('"', "&quot;")}"`;
    const payload = findType(type.root, typeOfUrl(url));
    const bytes = values.get("@bytes");
    if (payload === undefined || bytes !== undefined) {
      this.text += `${indent}<${tag}${attributes} encoding="protobuf">${bytes}</${tag}>\n`;
    } else if (payload.fullName === type.fullName) {
      this.text += `${indent}<${tag}${attributes}>\n`;
      const inner = { tag: "value", indent: `${indent}  `, path };
      this.#any(payload, values.get("value") as ValueMap, inner);
      this.text += `${indent}</${tag}>\n`;
    } else if (isWellKnown(payload)) {
      this.message(payload, values.get("value") ?? null, { ...place, attributes });
    } else {
      const fields = new Map(values);
      fields.delete("@type");
      this.#fields(payload, fields, { ...place, attributes });
    }
  }

  /** An element with text only, in one line but for the lines of the text. */
  #leaf(value: Value, { tag, indent, attributes = "" }: Place): void {
    const text = typeof value === "string" ? value : writeJson(value);
    const start = `${indent}<${tag}${attributes}`;
    if (text === "") this.text += `${start}/>\n`;
    else if (FORBIDDEN.test(text)) {
      const bytes = Buffer.from(text).toString("base64");
      this.text += `${start} encoding="base64">${bytes}</${tag}>\n`;
    } else {
      this.text += `${start}>${writeText(text)}</${tag}>\n`;
    }
  }
}

// deno-lint-ignore no-control-regex -- these are what XML 1.0 has no way to write
const FORBIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;

/** As a string in JSON may have any character. */
function jsonEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16)}`;
}

/** Lines with markup in them read better in CDATA, which cannot hold a carriage return. */
function writeText(text: string): string {
  return /\n/.test(text) && /[<&]/.test(text) && !text.includes("\r") && text.search(OBEYED) < 0
    ? `<![CDATA[${text.replaceAll("]]>", "]]]]><![CDATA[>")}]]>`
    : escapeText(text);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\r": "&#13;",
};

function escapeText(text: string): string {
  return text.replace(/[&<>\r]/g, (character) => ESCAPES[character]!)
    .replace(OBEYED, (character) => `&#${character.charCodeAt(0)};`);
}

const NC_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/**
 * The JSON name, if it can be the name of an element; the full name of an extension can. Of all names
 * that XML allows, these are the ones that every reader takes.
 */
function elementName(field: protobuf.Field): string {
  const names = [jsonName(field), protoName(field)];
  return names.find((name) => NC_NAME.test(name)) ?? field.name;
}
