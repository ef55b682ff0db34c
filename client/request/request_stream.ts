/**
 * The requests of a stream, as they come on standard input: each is sent as soon as it is complete, and
 * nobody waits for the end.
 *
 * On a terminal a person types them, one a line. A line that is none is told and left out. Elsewhere it
 * ends the call: what is sent must not be taken for all.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { MAX_DOCUMENT_BYTES } from "../../shared/codec/bounds.ts";
import { DocumentError, DocumentSplitter, type Format } from "../../shared/codec/document.ts";
import { type Output, UsageError } from "../../shared/cli/program.ts";
import { printable } from "../../shared/text/printable.ts";
import { notUtf8, utf16Hint } from "./request_text.ts";

/** Reads the messages of a text, as they are sent. It throws UsageError or DocumentError. */
export type ReadText = (text: string, place: {
  readonly format: Format;
  readonly source: string;
  readonly start: { readonly line: number; readonly column: number };
}) => protobuf.Message[];

export interface RequestStreamOptions {
  readonly read: ReadText;
  /** What comes on standard input. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Sniffed from the text, if it is not given. */
  readonly format: Format | undefined;
  /** Gets what is wrong with a line; there is a person who types. */
  readonly typing: Output | undefined;
}

/** Can be read once. */
export class RequestStream implements AsyncIterable<protobuf.Message> {
  readonly #options: RequestStreamOptions;
  #begun = false;
  #sent = 0;

  constructor(options: RequestStreamOptions) {
    this.#options = options;
  }

  /** Has somebody begun to read it? */
  get begun(): boolean {
    return this.#begun;
  }

  /** Does a person type? */
  get isTyped(): boolean {
    return this.#options.typing !== undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<protobuf.Message, void, undefined> {
    this.#begun = true;
    const { typing } = this.#options;
    if (typing === undefined) return yield* this.#documents();
    await typing.write(TYPING);
    yield* this.#lines(typing);
  }

  async *#documents(): AsyncGenerator<protobuf.Message, void, undefined> {
    const { chunks, format } = this.#options;
    const splitter = new DocumentSplitter(format);
    for await (const text of decoded(chunks, (error) => this.#broken(error.message, error))) {
      for (const document of splitter.push(text)) yield* this.#document(document, splitter.format!);
      if (splitter.waiting > MAX_DOCUMENT_BYTES) {
        throw this.#broken(`it is longer than ${MAX_DOCUMENT_BYTES >> 20} MiB`);
      }
    }
    for (const document of splitter.end()) yield* this.#document(document, splitter.format!);
  }

  *#document(
    { text, ...start }: { readonly text: string; readonly line: number; readonly column: number },
    format: Format,
  ): Generator<protobuf.Message, void, undefined> {
    let messages: protobuf.Message[];
    try {
      messages = this.#options.read(text, { format, source: "stdin", start });
    } catch (error) {
      if (!(error instanceof DocumentError || error instanceof UsageError)) throw error;
      throw this.#broken(error.message, error);
    }
    for (const message of messages) {
      yield message;
      // The next one is asked for when this one is on its way.
      this.#sent++;
    }
  }

  #broken(why: string, cause?: Error): UsageError {
    const usual = "A sample: -p. If standard input is not the request, use -n";
    const hint = cause instanceof UsageError ? cause.hint ?? usual : usual;
    const sent = this.#sent === 1 ? "1 request" : `${this.#sent} requests`;
    return new UsageError(
      `Request ${this.#sent + 1} cannot be sent, so the call was cancelled after ${sent}: ${why}`,
      { hint, cause },
    );
  }

  async *#lines(typing: Output): AsyncGenerator<protobuf.Message, void, undefined> {
    const { chunks, format, read } = this.#options;
    let line = 0;
    for await (const typed of linesOf(decoded(chunks))) {
      line++;
      if (typed.trim() === "") continue;
      const splitter = new DocumentSplitter(format);
      try {
        const documents = [...splitter.push(typed), ...splitter.end()];
        yield* documents.flatMap(({ text, column }) =>
          read(text, { source: "input", start: { line, column }, format: splitter.format! })
        );
      } catch (error) {
        if (!(error instanceof DocumentError || error instanceof UsageError)) throw error;
        await typing.write(`error: This line was not sent: ${printable(error.message)}\n`);
      }
    }
  }
}

const TYPING = "Type one request a line, as JSON, YAML or XML. Ctrl-D ends, -p shows a sample\n";

/** Also a last one that no newline ends. */
async function* linesOf(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of texts) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    yield* lines;
  }
  yield rest;
}

/** @param toError What is thrown for bytes that are no UTF-8. */
async function* decoded(
  chunks: AsyncIterable<Uint8Array>,
  toError: (error: UsageError) => UsageError = (error) => error,
): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (chunk?: Uint8Array) => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw toError(notUtf8("stdin", chunk && utf16Hint(chunk)));
    }
  };
  for await (const chunk of chunks) yield decode(chunk);
  yield decode();
}
