/**
 * Responses on stdout: data only, one form for all of a call's messages.
 *
 * @module
 */
import type { Metadata } from "@grpc/grpc-js";
import type protobuf from "protobufjs";
import { writeMessage } from "../shared/codec/document.ts";
import { type Options, type OptionValues, type Output, UsageError } from "../shared/cli/program.ts";
import type { RpcError } from "../shared/grpc/rpc_error.ts";
import { makeEnvelope } from "./envelope.ts";

const group = "Output";

const RESPONSE_FORMATS = ["json", "prettyjson", "yaml", "xml", "table"] as const;
export type ResponseFormat = (typeof RESPONSE_FORMATS)[number];

export const printOptions = {
  responseFormat: {
    flag: "--response-format",
    short: "-o",
    value: "FORMAT",
    choices: RESPONSE_FORMATS,
    defaultText: "table on a terminal, else json",
    help: "The form of responses and, when given, of errors",
    envFallbacks: ["RESPONSE_FORMAT"],
    group,
  },
  envelope: {
    flag: "--envelope",
    help: "Prints server, status, headers, response, trailers and duration as one document",
    group,
  },
  emitDefaults: {
    flag: "--emit-defaults",
    help: "Also prints fields that have their default value",
    group,
  },
  quiet: {
    flag: "--quiet",
    short: "-q",
    help: "Prints neither responses nor warnings: the exit code tells",
    group,
  },
} as const satisfies Options;

export type PrintValues = OptionValues<typeof printOptions>;

/** How a call ended. */
export interface End {
  readonly server: string | undefined;
  /** Absent for OK. */
  readonly error?: RpcError;
  readonly headers: Metadata | undefined;
  readonly trailers: Metadata | undefined;
  readonly durationMs: number;
}

/** Prints the responses of one call. */
export interface Printer {
  message(message: protobuf.Message, end: Omit<End, "error">): Promise<void>;
  /** Called once, after the last message. */
  end(end: End): Promise<void>;
}

export interface PrinterOptions {
  readonly values: PrintValues;
  readonly stdout: Output;
  readonly method: protobuf.Method;
  readonly type: protobuf.Type;
  /** A message as text for people. */
  readonly table: (message: protobuf.Message) => string;
}

/** @throws {UsageError} If options contradict each other. */
export function createPrinter(options: PrinterOptions): Printer {
  const { values, stdout, method, type, table } = options;
  const { envelope, emitDefaults, quiet } = values;
  const format = responseFormat(values, stdout);
  const write = async (text: string) => {
    if (!quiet) await stdout.write(text);
  };
  if (!envelope) {
    return {
      message: (message) => {
        if (format === "table") return write(table(message));
        return write(writeMessage(message, { type, format, emitDefaults }));
      },
      end: () => Promise.resolve(),
    };
  }
  const document = format === "table" ? "prettyjson" : format;
  const writeEnvelope = (message: protobuf.Message | undefined, end: End, ended: boolean) => {
    const made = makeEnvelope(type, { message, end, ended });
    return write(writeMessage(made.message, { type: made.type, format: document, emitDefaults }));
  };
  // A stream: one for each message, and one at the end. Else one that holds all.
  let last: protobuf.Message | undefined;
  return {
    async message(message, end) {
      if (method.responseStream) await writeEnvelope(message, end, false);
      else last = message;
    },
    end: (end) => writeEnvelope(last, end, true),
  };
}

/** The form that was asked for, or that suits stdout. */
function responseFormat(values: PrintValues, stdout: Output): ResponseFormat {
  const { responseFormat: asked, envelope } = values;
  if (asked === "table" && envelope) {
    throw new UsageError("--envelope has no form as a table", { hint: "Use -o json, yaml or xml" });
  }
  return asked ?? (stdout.isTerminal ? "table" : "json");
}
