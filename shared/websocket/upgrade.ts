/**
 * The hub's half of the WebSocket opening handshake, RFC 6455 §4.2. There is no I/O here.
 *
 *     bytes ─ readRequestHead ─▶ head ─ checkUpgrade ─▶ key, protocol ─ upgradeResponse ─▶ bytes
 *               │ HttpError               │ HttpError
 *               └─────────────────────────┴───────────── errorResponse ───────────────────▶ bytes
 *
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-4.2
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { safeJson } from "../text/safe_json.ts";
import { HttpError } from "../http1/http_error.ts";
import type { RequestHead } from "../http1/request_head.ts";

export { HttpError } from "../http1/http_error.ts";
export {
  MAX_HEAD_BYTES,
  MAX_HEAD_FIELDS,
  type ReadHead,
  readRequestHead,
  RequestHead,
} from "../http1/request_head.ts";

/** The subprotocol of a tunnel: HTTP/2 in binary messages, docs/protocol.md. */
export const SUBPROTOCOL = "ghub.h2.v1";

/** §1.3: what the accept key is made with. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** §4.1 item 7: 16 bytes in base64. The last character carries four bits, so only these four. */
const KEY = /^[+/0-9A-Za-z]{21}[AQgw]==$/;
/** §4.4. */
const VERSION = "13";

/** The `Sec-WebSocket-Accept` of a `Sec-WebSocket-Key` (§4.2.2 item 5.4). */
export function acceptKey(key: string): string {
  return createHash("sha1").update(key + GUID).digest("base64");
}

/** What a valid request asks for. */
export interface Upgrade {
  /** Its `Sec-WebSocket-Key`. */
  readonly key: string;
  /** The subprotocol to answer with; `undefined` if it asked for none. */
  readonly protocol: string | undefined;
}

/**
 * Checks that a request opens a WebSocket for a tunnel (§4.2.1).
 *
 * @throws {HttpError} If it does not, with what to answer.
 */
export function checkUpgrade(head: RequestHead): Upgrade {
  if (head.version !== "1.1") {
    throw new HttpError(505, "HTTP_VERSION", `A tunnel needs HTTP/1.1, not HTTP/${head.version}`);
  }
  if (head.method !== "GET") {
    throw new HttpError(405, "METHOD", `A tunnel is opened by GET, not ${head.method}`, {
      headers: { Allow: "GET" },
    });
  }
  if (!head.one("host")) throw badUpgrade("Header Host is missing"); // RFC 9112 §3.2
  // A body would be read as frames.
  if (head.all("transfer-encoding").length > 0 || (head.one("content-length") ?? "0") !== "0") {
    throw badUpgrade("The request has a body");
  }
  if (!includes(head.list("upgrade"), "websocket")) {
    throw new HttpError(
      426,
      "UPGRADE_REQUIRED",
      "This port takes the WebSockets of servers: dial it with gserver --hub-uri",
      { headers: { Upgrade: "websocket", Connection: "close, Upgrade" } },
    );
  }
  if (!includes(head.list("connection"), "upgrade")) {
    throw badUpgrade("Header Connection does not say Upgrade: does a proxy in between drop it?");
  }
  const version = head.one("sec-websocket-version");
  if (version !== VERSION) {
    throw new HttpError(
      426,
      "WEBSOCKET_VERSION",
      `WebSocket version ${safeJson(version ?? "")} is not spoken here, ${VERSION} is`,
      { headers: { "Sec-WebSocket-Version": VERSION } },
    );
  }
  const key = head.one("sec-websocket-key");
  if (key === undefined || !KEY.test(key)) {
    throw badUpgrade("Header Sec-WebSocket-Key is not 16 bytes in base64");
  }
  const offered = head.list("sec-websocket-protocol");
  if (offered.length > 0 && !offered.includes(SUBPROTOCOL)) {
    throw new HttpError(
      400,
      "SUBPROTOCOL",
      `No subprotocol in common: this hub speaks ${SUBPROTOCOL}`,
    );
  }
  return { key, protocol: offered.length > 0 ? SUBPROTOCOL : undefined };
}

function badUpgrade(message: string): HttpError {
  return new HttpError(400, "BAD_UPGRADE", message);
}

function includes(list: readonly string[], token: string): boolean {
  return list.some((item) => item.toLowerCase() === token);
}

/** The 101 that opens the WebSocket (§4.2.2 item 5). */
export function upgradeResponse(
  upgrade: Upgrade,
  headers: Readonly<Record<string, string>> = {},
): Uint8Array {
  return writeHead(101, {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": acceptKey(upgrade.key),
    ...(upgrade.protocol !== undefined && { "Sec-WebSocket-Protocol": upgrade.protocol }),
    ...headers,
  });
}

/** A refusal: the last bytes of a connection. Its body is one line of JSON, `code` and `message`. */
export function errorResponse(error: HttpError): Uint8Array {
  const text = safeJson({ code: error.code, message: error.message }) + "\n";
  return lastResponse(error.status, text, { "Content-Type": "application/json", ...error.headers });
}

/** An answer: the last bytes of a connection. */
export function okResponse(text: string, contentType: string): Uint8Array {
  return lastResponse(200, text, { "Content-Type": contentType });
}

/** An answer in plain text: the last bytes of a connection. */
export function plainResponse(
  status: number,
  text: string,
  { withBody = true }: { readonly withBody?: boolean } = {},
): Uint8Array {
  const whole = lastResponse(status, text, { "Content-Type": "text/plain; charset=utf-8" });
  // To HEAD the answer is the same without its body.
  return withBody ? whole : whole.subarray(0, whole.length - Buffer.byteLength(text));
}

function lastResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>>,
): Uint8Array {
  const body = Buffer.from(text);
  const head = writeHead(status, {
    // RFC 9110 §6.6.1. A doctor compares it with the clock of its own machine.
    Date: new Date().toUTCString(),
    "Content-Length": String(body.length),
    Connection: "close",
    ...headers,
  });
  return new Uint8Array(Buffer.concat([head, body]));
}

/** RFC 9110 §15, the statuses that are answered here; the phrase may be empty (RFC 9112 §4). */
const REASONS: Readonly<Record<number, string>> = {
  101: "Switching Protocols",
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

function writeHead(status: number, headers: Readonly<Record<string, string>>): Uint8Array {
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? ""}`];
  for (const [name, value] of Object.entries(headers)) {
    // A value with a line end in it would be a header of its own.
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw new TypeError(`Cannot write header ${name}: its value has a forbidden character`);
    }
    lines.push(`${name}: ${value}`);
  }
  return new Uint8Array(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"));
}
