/**
 * Where a request comes from:
 *
 *     -d TEXT | @FILE | @-   >   -f FILE | -   >   standard input, if it is a file, pipe or socket   >   empty
 *
 * and its form: `--request-format`, else the file's ending, else its first character.
 *
 * A stream's requests from standard input are sent as they come (`request_stream.ts`); all else is read and
 * checked as a whole, before anything is sent.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { MAX_DOCUMENT_BYTES } from "../../shared/codec/bounds.ts";
import {
  DocumentError,
  type Format,
  formatOfPath,
  readMessages,
  sniffFormat,
} from "../../shared/codec/document.ts";
import { type Output, UsageError } from "../../shared/cli/program.ts";
import { missingRequired } from "../../shared/codec/required.ts";
import { messageTypes } from "../call/call.ts";
import { mayChange } from "../call/method_kind.ts";
import type { RequestValues } from "./request_options.ts";
import { RequestStream } from "./request_stream.ts";
import { decodeText } from "./request_text.ts";
import { setFields } from "./set_field.ts";
import type { Stdin } from "./stdin.ts";
import { whyUnusable } from "../../shared/files/why_unusable.ts";

/**
 * Standard input by other names. Deno lets nobody open these who may not do everything, and gclient
 * may do little.
 */
const STDIN_PATHS = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

const STDIN_SOURCES = ["-", ...STDIN_PATHS].map((path) => `@${path}`);

export interface ReadRequestsOptions {
  readonly stdin: Stdin;
  readonly signal: AbortSignal;
  /** How long standard input may take to end. */
  readonly stdinTimeoutMs: number;
}

/**
 * The messages to send.
 *
 * Somebody who gives a request to what changes something, and gives an empty one, has most often lost
 * it on the way: `false | gclient fluentd stop` must not stop anything.
 *
 * @throws {UsageError} If there is no way to read them, too many, none where one was meant, or a field
 *     is missing that a message must have.
 */
export async function readRequests(
  method: protobuf.Method,
  values: RequestValues,
  options: ReadRequestsOptions,
): Promise<protobuf.Message[]> {
  const { request: type } = messageTypes(method);
  const text = await readText(values, options);
  const refuseEmpty = mayChange(method) && !method.requestStream;
  const given = text === undefined ? [] : parseText(text, { type, values, refuseEmpty });
  if (!method.requestStream && given.length > 1) {
    throw new UsageError(
      `${text?.source} holds ${given.length} requests, ${method.name} takes one`,
      { hint: "Leave one of them, or run the command once for each" },
    );
  }
  if (text !== undefined && refuseEmpty && given.length === 0) {
    throw new UsageError(`${text.source} holds no request`, { hint: EMPTY_HINT });
  }
  const messages = method.requestStream || given.length > 0 ? given : [type.create()];
  const requests = messages.map((message) => setFields(message, { type, assignments: values.set }));
  for (const request of requests) checkRequired(type, request);
  return requests;
}

export interface OpenRequestsOptions {
  readonly stdin: Stdin;
  /** Gets what is wrong with a line that a person types. */
  readonly stderr: Output;
  /** Puts more into each request. */
  readonly prepare: (request: protobuf.Message) => void;
}

/**
 * The requests of a stream that come on standard input; `undefined` if they come from elsewhere, or the
 * method takes one.
 */
export function openRequests(
  method: protobuf.Method,
  values: RequestValues,
  { stdin, stderr, prepare }: OpenRequestsOptions,
): RequestStream | undefined {
  const { data, requestFile, noInput, requestFormat, allowUnknownFields } = values;
  if (!method.requestStream || noInput || (data !== undefined && requestFile !== undefined)) {
    return undefined;
  }
  const from = data ?? `@${requestFile ?? "-"}`;
  const kind = stdin.kind();
  if (kind === "none" || !STDIN_SOURCES.includes(from)) return undefined;
  const { request: type } = messageTypes(method);
  return new RequestStream({
    chunks: stdin.chunks(),
    format: requestFormat,
    typing: kind === "terminal" ? stderr : undefined,
    read(text, place) {
      const messages = readMessages(text, { type, allowUnknownFields, ...place })
        .map((message) => setFields(message, { type, assignments: values.set }));
      for (const message of messages) {
        checkRequired(type, message);
        prepare(message);
      }
      return messages;
    },
  });
}

const EMPTY_HINT = "To send an empty one, use -n or -d '{}'";

function checkRequired(type: protobuf.Type, request: protobuf.Message): void {
  const missing = missingRequired(type, request);
  if (missing === undefined) return;
  throw new UsageError(`${missing} is missing: it is a required field`, { hint: "A sample: -p" });
}

/** A request as text. */
interface Text {
  readonly text: string;
  /** For errors. */
  readonly source: string;
  /** As the file's ending tells. */
  readonly format: Format | undefined;
}

async function readText(
  values: RequestValues,
  options: ReadRequestsOptions,
): Promise<Text | undefined> {
  const { data, requestFile, noInput } = values;
  if (data !== undefined && requestFile !== undefined) {
    throw new UsageError("Both -d and -f give a request: use one of them", {
      hint: "Leave out -d or -f",
    });
  }
  if (data !== undefined && !data.startsWith("@")) {
    return { text: data, source: "-d", format: undefined };
  }
  const named = data?.slice(1) ?? requestFile;
  const file = named !== undefined && STDIN_PATHS.includes(named) ? "-" : named;
  if (file === "") {
    throw new UsageError("The name of a file is missing after -d @", {
      hint: "Write -d @FILE, or -d @- for standard input",
    });
  }
  if (file !== undefined && file !== "-") {
    return {
      text: decodeText(await readFile(file), file),
      source: file,
      format: formatOfPath(file),
    };
  }
  if (file === "-" && noInput) {
    throw new UsageError("-n leaves standard input alone, - reads it", {
      hint: "Leave out -n or -",
    });
  }
  if (noInput || (file === undefined && options.stdin.kind() !== "data")) return undefined;
  const { signal, stdinTimeoutMs: timeoutMs } = options;
  const bytes = await options.stdin.read({ signal, timeoutMs });
  return { text: decodeText(bytes, "stdin"), source: "stdin", format: undefined };
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    const { size, isDirectory } = await Deno.stat(path);
    if (isDirectory) throw new Error("it is a directory");
    if (size > MAX_DOCUMENT_BYTES) {
      throw new Error(`it has more than ${MAX_DOCUMENT_BYTES >> 20} MiB`);
    }
    return await Deno.readFile(path);
  } catch (error) {
    throw new UsageError(`Cannot read request file "${path}": ${whyUnusable(error)}`, {
      cause: error,
    });
  }
}

interface ParseOptions {
  readonly type: protobuf.Type;
  readonly values: RequestValues;
  readonly refuseEmpty: boolean;
}

function parseText(
  { text, source, format: named }: Text,
  { type, values, refuseEmpty }: ParseOptions,
): protobuf.Message[] {
  if (text.trim() === "") return [];
  const format = values.requestFormat ?? named ?? sniffFormat(text);
  const { allowUnknownFields } = values;
  try {
    return readMessages(text, { type, format, source, allowUnknownFields, refuseEmpty });
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    const hint = source === "stdin"
      ? "A sample: -p. If standard input is not the request, use -n"
      : "A sample: -p";
    throw new UsageError(error.message, { hint, cause: error });
  }
}
