/**
 * The head of one HTTP/1.1 request, RFC 9112 §2–5, read strictly: what two readers could
 * understand differently is refused.
 *
 *     request-line CRLF *( field-line CRLF ) CRLF
 *     request-line = method SP request-target SP "HTTP/" DIGIT "." DIGIT
 *     field-line   = field-name ":" OWS field-value OWS
 *
 * There is no I/O here.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112
 * @module
 */
import { Buffer } from "node:buffer";
import { trimBlanks } from "../text/blanks.ts";
import { HttpError } from "./http_error.ts";

/** Most bytes of a request head. */
export const MAX_HEAD_BYTES = 16 * 1024;
/** Most fields of a request head. */
export const MAX_HEAD_FIELDS = 100;

const END = "\r\n\r\n";
/** RFC 9110 §5.6.2 `token`. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/(\\d\\.\\d)$`);
const NAME = new RegExp(`^${TOKEN}$`);
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** A request line and its fields. */
export class RequestHead {
  readonly method: string;
  /** As sent: usually a path and a query. */
  readonly target: string;
  /** `1.1`. */
  readonly version: string;
  /** In the order in which they came, names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[];

  constructor(init: Pick<RequestHead, "method" | "target" | "version" | "fields">) {
    this.method = init.method;
    this.target = init.target;
    this.version = init.version;
    this.fields = init.fields;
  }

  /** All values of a field, in order. */
  all(name: string): string[] {
    return this.fields.filter(([key]) => key === name).map(([, value]) => value);
  }

  /**
   * The value of a field that may stand once.
   *
   * @throws {HttpError} 400 if it stands more than once: which one would count?
   */
  one(name: string): string | undefined {
    const values = this.all(name);
    if (values.length > 1) throw badRequest(`Header "${name}" occurs ${values.length} times`);
    return values[0];
  }

  /** The members of a field whose value is a comma-separated list (RFC 9110 §5.6.1). */
  list(name: string): string[] {
    return this.all(name).join(",").split(",").map(trimBlanks).filter((item) => item);
  }
}

/** What {@linkcode readRequestHead} has read. */
export interface ReadHead {
  readonly head: RequestHead;
  /** The bytes after the head. */
  readonly rest: Uint8Array;
}

/**
 * Reads a request head from all bytes received so far.
 *
 * @param searched Bytes of these that an earlier call has looked at and that did not change.
 * @returns `undefined` if it is not complete yet.
 * @throws {HttpError} 400 if it is malformed, 431 if it is beyond a bound.
 */
export function readRequestHead(bytes: Uint8Array, searched = 0): ReadHead | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkFirstByte(bytes[0]);
  const end = buffer.indexOf(END, Math.max(0, searched - END.length + 1), "latin1");
  if (end === -1 ? bytes.length > MAX_HEAD_BYTES : end + END.length > MAX_HEAD_BYTES) {
    throw tooLarge(`The request head is longer than ${MAX_HEAD_BYTES} bytes`);
  }
  if (end === -1) return undefined;
  const lines = buffer.toString("latin1", 0, end).split("\r\n");
  const [, method, target, version] = REQUEST_LINE.exec(lines[0]!) ?? [];
  if (method === undefined || target === undefined || version === undefined) {
    throw badRequest("The first line is no HTTP request line");
  }
  if (lines.length - 1 > MAX_HEAD_FIELDS) {
    throw tooLarge(`The request has more than ${MAX_HEAD_FIELDS} header fields`);
  }
  const fields = lines.slice(1).map((line, i): [string, string] => {
    const field = readField(line);
    if (field === undefined) throw badRequest(`Header line ${i + 1} is malformed`);
    return field;
  });
  const head = new RequestHead({ method, target, version, fields });
  return { head, rest: bytes.subarray(end + END.length) };
}

/**
 * `Name: value` → `["name", "value"]`. No white space before the colon (RFC 9112 §5.1), and no line
 * that begins with white space (§5.2).
 *
 * It takes the blanks away by itself, because a pattern in which blanks may belong to two parts needs
 * quadratic time for a line of blanks.
 */
function readField(line: string): [name: string, value: string] | undefined {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon));
  const value = line.slice(colon + 1);
  if (!NAME.test(name) || !VALUE.test(value)) return undefined;
  return [name.toLowerCase(), trimBlanks(value)];
}

/** Answers a TLS hello or other nonsense at once, in place of waiting for an end that never comes. */
function checkFirstByte(byte: number | undefined): void {
  if (byte === undefined || /[A-Za-z]/.test(String.fromCharCode(byte))) return;
  throw badRequest(
    byte === 0x16 // TLS: ContentType handshake
      ? "This port speaks plain HTTP, and a TLS hello came: use ws:// or start the hub with TLS"
      : "This is no HTTP request",
  );
}

function badRequest(message: string): HttpError {
  return new HttpError(400, "BAD_REQUEST", message);
}

function tooLarge(message: string): HttpError {
  return new HttpError(431, "HEAD_TOO_LARGE", message);
}
