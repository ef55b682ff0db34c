/**
 * Responses on stdout: data only, one form for all of a call's messages.
 *
 * @module
 */
import type protobuf from "protobufjs";
import { type OddValue, type OutputFormat, writeMessage } from "../../shared/codec/document.ts";
import { type Output, UsageError } from "../../shared/cli/program.ts";
import { colorStates, isColored } from "./color.ts";
import { type End, makeEnvelope } from "./envelope.ts";
import type { PrintValues, ResponseFormat } from "./print_options.ts";
import { printable } from "../../shared/text/printable.ts";
import { foldLines } from "../../shared/text/width.ts";

/** Prints the responses of one call. */
export interface Printer {
  message(message: protobuf.Message, end: Omit<End, "failure">): Promise<void>;
  /** Called once, after the last message. */
  end(end: End): Promise<void>;
}

export interface PrinterOptions {
  readonly values: PrintValues;
  readonly stdout: Output;
  /** Gets a warning for each value that has no form in the answer's format. */
  readonly stderr: Output;
  readonly method: protobuf.Method;
  readonly type: protobuf.Type;
  /** A message as text for people in a terminal of this width, or as JSON where there is none. */
  readonly table: (message: protobuf.Message, columns: number) => string | undefined;
}

/** @throws {UsageError} If options contradict each other. */
export function createPrinter(options: PrinterOptions): Printer {
  const { values, stdout, stderr, method, type, table } = options;
  const { envelope, emitDefaults, quiet } = values;
  const format = responseFormat(values, stdout);
  const document = isTable(format) ? "prettyjson" : format;
  const paint = isColored(values.color, stdout) ? colorStates : (text: string) => text;
  const writeDocument = async (
    message: object,
    document: { readonly type: protobuf.Type; readonly format: OutputFormat },
  ) => {
    if (quiet) return;
    const odd: OddValue[] = [];
    const onOdd = (value: OddValue) => void (odd.length <= MAX_WARNINGS && odd.push(value));
    await stdout.write(writeMessage(message, { ...document, emitDefaults, onOdd }));
    if (odd.length > 0) await stderr.write(oddText(odd));
  };
  if (!envelope) {
    return {
      async message(message) {
        const columns = format === "wide" ? Infinity : stdout.columns ?? Infinity;
        const text = isTable(format) ? table(message, columns) : undefined;
        if (text === undefined) await writeDocument(message, { type, format: document });
        else if (!quiet) await stdout.write(paint(foldLines(text, columns)));
      },
      end: () => Promise.resolve(),
    };
  }
  const writeEnvelope = (content: Parameters<typeof makeEnvelope>[1]) => {
    const made = makeEnvelope(type, content);
    return writeDocument(made.message, { type: made.type, format: document });
  };
  // A stream: one for each message, and one at the end. Else one that holds all.
  let last: protobuf.Message | undefined;
  return {
    async message(message, end) {
      if (method.responseStream) await writeEnvelope({ message, end, ended: false });
      else last = message;
    },
    end: (end) => writeEnvelope({ message: last, end, ended: true }),
  };
}

/** More than these of one message are not told one by one. */
const MAX_WARNINGS = 10;

function oddText(odd: readonly OddValue[]): string {
  const lines = odd.slice(0, MAX_WARNINGS).map(({ path, reason }) =>
    `warning: ${printable(`${path}: ${reason}: shown as it was sent`)}\n`
  );
  if (odd.length > MAX_WARNINGS) lines.push("warning: there are more such values\n");
  return lines.join("");
}

/** Is it text for people? */
export function isTable(format: ResponseFormat): format is "table" | "wide" | "name" {
  return format === "table" || format === "wide" || format === "name";
}

/** The form that was asked for, or that suits stdout. */
function responseFormat(values: PrintValues, stdout: Output): ResponseFormat {
  const { responseFormat: asked, envelope } = values;
  if (asked !== undefined && isTable(asked) && envelope) {
    throw new UsageError("--envelope has no form as a table", { hint: "Use -o json, yaml or xml" });
  }
  return asked ?? (stdout.isTerminal ? "table" : "json");
}
