/**
 * Documents ⇄ messages: the door of this folder.
 *
 * All three formats are the ProtoJSON value in another syntax, directed by the descriptor.
 *
 * @see https://protobuf.dev/programming-guides/json/
 * @module
 */
import { Buffer } from "node:buffer";
import type protobuf from "protobufjs";
import { MAX_DOCUMENT_BYTES } from "./bounds.ts";
import { DocumentError, type TextPlace } from "./document_error.ts";
import { Fault } from "./fault.ts";
import type { Format, OutputFormat } from "./format.ts";
import { readJson, writeJson } from "./json.ts";
import { readMessage } from "./message_reader.ts";
import { messageValue, type MessageValueOptions } from "./message_writer.ts";
import type { Node } from "./node.ts";
import { readXml } from "./xml.ts";
import { writeXml } from "./xml_writer.ts";
import { readYaml, writeYaml } from "./yaml.ts";

export { DocumentError } from "./document_error.ts";
export { DocumentSplitter } from "./document_splitter.ts";
export { type Format, formatOfPath, type OutputFormat, sniffFormat } from "./format.ts";
export type { OddValue } from "./message_writer.ts";

export interface ReadMessagesOptions {
  readonly type: protobuf.Type;
  readonly format: Format;
  /** What errors call the text: a file's name or `stdin`. */
  readonly source: string;
  /** Where the text begins in it. @default line 1, column 1 */
  readonly start?: TextPlace;
  /** Skips names that a type does not have, instead of refusing them. @default false */
  readonly allowUnknownFields?: boolean;
  /** Refuses an empty YAML document, instead of taking it for an empty message. @default false */
  readonly refuseEmpty?: boolean;
}

const READERS: Readonly<Record<Format, (text: string, type: protobuf.Type) => Node[]>> = {
  json: (text) => readJson(text),
  yaml: (text) => readYaml(text),
  xml: readXml,
};

/**
 * Reads all messages in a text.
 *
 *     json   values one after the other, in lines or not; the items of lists at the top
 *     yaml   documents with `---` between them; the items of lists at the top; an empty one is
 *            an empty message
 *     xml    elements one after the other
 *
 * @returns None if there is nothing but white space or comments.
 * @throws {DocumentError} At the first thing that is wrong.
 */
export function readMessages(text: string, options: ReadMessagesOptions): protobuf.Message[] {
  const { type, format, source, start, refuseEmpty = false } = options;
  if (text.length > MAX_DOCUMENT_BYTES || Buffer.byteLength(text) > MAX_DOCUMENT_BYTES) {
    const limit = `${MAX_DOCUMENT_BYTES / 1024 / 1024} MiB`;
    throw new DocumentError(source, `Too large: a text may have at most ${limit}`);
  }
  // Some editors begin a file with a byte order mark.
  const bare = text.replace(/^\ufeff/, "");
  try {
    return READERS[format](bare, type)
      .flatMap((node) => node.kind === "list" && !isList(type) ? node.items : [node])
      .map((node) => {
        const isEmpty = format === "yaml" && node.kind === "null" && !isValue(type);
        if (isEmpty && refuseEmpty) throw new Fault(node.at, NOTHING);
        return readMessage(
          type,
          isEmpty ? { ...node, kind: "object", entries: [] } : node,
          options,
        );
      });
  } catch (error) {
    if (error instanceof Fault) throw DocumentError.of(error, { source, text: bare, start });
    throw error;
  }
}

const NOTHING = "Expected a message, found nothing: {} is an empty one";

/** Is a list at the top one message, rather than a list of messages? */
function isList(type: protobuf.Type): boolean {
  return type.fullName === ".google.protobuf.ListValue" || isValue(type);
}

function isValue(type: protobuf.Type): boolean {
  return type.fullName === ".google.protobuf.Value";
}

export interface WriteMessageOptions extends MessageValueOptions {
  readonly type: protobuf.Type;
  readonly format: OutputFormat;
}

/**
 * Writes one document, ending in a newline. Documents written one after the other are a stream
 * that `readMessages` takes: `json` has a line for each, `yaml` begins each with `---`, `xml`
 * with a declaration.
 *
 * @param message A message of this type, or a plain object of its fields.
 */
export function writeMessage(message: object, options: WriteMessageOptions): string {
  const { type, format } = options;
  const value = messageValue(type, type.fromObject(message), options);
  return WRITERS[format](value, type);
}

type Writer = (value: ReturnType<typeof messageValue>, type: protobuf.Type) => string;

const WRITERS: Readonly<Record<OutputFormat, Writer>> = {
  json: (value) => `${writeJson(value)}\n`,
  prettyjson: (value) => `${writeJson(value, { indent: 2 })}\n`,
  yaml: (value) => writeYaml(value),
  xml: writeXml,
};
