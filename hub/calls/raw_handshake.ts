/**
 * The two handshakes of raw mode, without I/O: docs/protocol.md §11.
 *
 *     json     → {"version":1,"server":"edge-1","token":"…"}⏎
 *              ← {"ok":true,"server":"edge-1","tunnel":"…"}⏎
 *              ← {"ok":false,"code":"NOT_FOUND","message":"…","servers":["edge-1"]}⏎
 *
 *     connect  → CONNECT edge-1:443 HTTP/1.1⏎ Proxy-Authorization: Bearer …⏎ ⏎
 *              ← HTTP/1.1 200 Connection established⏎ ⏎
 *
 * CONNECT cannot carry the slash of an upstream's name. There `payments.edge-1:443` means the
 * server of that very name if one is known, else `edge-1/payments`. The port means nothing,
 * but must be one.
 *
 * @module
 */
import { HttpError } from "../../shared/http1/http_error.ts";
import { readRequestHead, type RequestHead } from "../../shared/http1/request_head.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusCode, statusName } from "../../shared/grpc/status.ts";
import {
  ErrorCode,
  FRAME_HEADER_BYTES,
  FrameType,
  writeUint32,
} from "../../shared/http2/frames.ts";
import { ERROR_DOMAIN, MAX_NAMES_SHOWN, RETRY_DELAY_MS } from "../errors.ts";
import { isForwarded } from "../auth/behind_proxy.ts";
import { quote } from "../../shared/text/quote.ts";
import { safeJson } from "../../shared/text/safe_json.ts";
import { isServerName, NAME_RULE } from "../../shared/registration/server_name.ts";
import type { ServerName } from "../registry/tunnel.ts";

/** A handshake that is longer is refused. */
export const MAX_HANDSHAKE_BYTES = 8192;
const VERSION = 1;

export type HandshakeMode = "json" | "connect";

/** What a handshake asks for. */
export interface RawRequest {
  /** What its server may be called, likeliest first; empty if it names none. */
  readonly candidates: readonly ServerName[];
  readonly token: string | undefined;
  /** It came through a proxy: its address is not the caller's. */
  readonly forwarded: boolean;
}

/** A handshake that has been read. */
export interface Handshake {
  readonly request: RawRequest;
  /** What followed it: the first bytes of the raw connection. */
  readonly rest: Uint8Array;
}

const LF = 10;
const CR = 13;

/** Collects one handshake from pieces of any size. */
export class HandshakeReader {
  readonly #mode: HandshakeMode;
  readonly #bytes = new Uint8Array(MAX_HANDSHAKE_BYTES);
  #length = 0;
  /** Where the current line begins. */
  #line = 0;

  constructor(mode: HandshakeMode) {
    this.#mode = mode;
  }

  /**
   * Takes the next piece.
   *
   * @returns `undefined` while there must come more; an `RpcError` if it cannot be understood.
   * The reader is of no use after it returned anything else than `undefined`.
   */
  push(chunk: Uint8Array): Handshake | RpcError | undefined {
    for (const [i, byte] of chunk.entries()) {
      if (this.#length === MAX_HANDSHAKE_BYTES) {
        return invalid(`Handshake is longer than ${MAX_HANDSHAKE_BYTES} bytes`);
      }
      this.#bytes[this.#length++] = byte;
      if (byte === LF && this.#isEnd()) return this.#parse(chunk.subarray(i + 1));
    }
    return undefined;
  }

  /** At a line break: is this the last one? */
  #isEnd(): boolean {
    const empty = this.#length - this.#line === 1 ||
      (this.#length - this.#line === 2 && this.#bytes[this.#line] === CR);
    this.#line = this.#length;
    return this.#mode === "json" || empty;
  }

  #parse(rest: Uint8Array): Handshake | RpcError {
    try {
      return { request: PARSERS[this.#mode](this.#bytes.subarray(0, this.#length)), rest };
    } catch (error) {
      if (error instanceof RpcError) return error;
      throw error;
    }
  }
}

const PARSERS: Record<HandshakeMode, (text: Uint8Array) => RawRequest> = {
  json: parseJson,
  connect: parseConnect,
};

function parseJson(bytes: Uint8Array): RawRequest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof TypeError) throw invalid("Handshake is not UTF-8 text");
    // What the parser says of it quotes the text, and with it a part of the token.
    throw invalid("Handshake is not JSON on one line");
  }
  // It begins with a brace, so it is an object.
  const { version, server, token } = value as Record<string, unknown>;
  if (version !== VERSION) {
    throw invalid(`Handshake needs "version":${VERSION}, the only one that this hub speaks`);
  }
  if (token !== undefined && typeof token !== "string") {
    throw invalid(`Handshake has a "token" that is no string`);
  }
  if (server !== undefined && (typeof server !== "string" || !isServerName(server))) {
    throw invalid(`Bad "server" in handshake: it must be ${NAME_RULE}`);
  }
  return { candidates: server === undefined ? [] : [server], token, forwarded: false };
}

const TARGET = /^([^:]+):(\d{1,5})$/;

/** The same strict reader as on the tunnel port: a request means one thing, whoever reads it. */
function parseConnect(text: Uint8Array): RawRequest {
  let head: RequestHead | undefined, authorization: string | undefined;
  try {
    head = readRequestHead(text)?.head;
    authorization = head?.one("proxy-authorization");
  } catch (error) {
    if (error instanceof HttpError) throw invalid(error.message);
    throw error;
  }
  if (head === undefined) throw invalid("A line of the request does not end with CR LF");
  if (head.method !== "CONNECT" || !head.version.startsWith("1.")) {
    throw invalid("Request line is not CONNECT name:port HTTP/1.1");
  }
  const { target } = head;
  const [, host = "", port] = TARGET.exec(target) ?? [];
  const name = host.toLowerCase();
  if (!isServerName(name)) {
    // Before an @ may stand a credential.
    const shown = quote(target.slice(target.lastIndexOf("@") + 1));
    throw invalid(`Bad CONNECT target ${shown}: it must be server:port, such as edge-1:443`);
  }
  if (Number(port) < 1 || Number(port) > 65_535) {
    throw invalid(`Bad port in CONNECT target ${quote(target)}: it must be 1 to 65535`);
  }
  return {
    candidates: [name, ...upstreamOf(name)],
    token: tokenOf(authorization),
    forwarded: isForwarded(head.fields),
  };
}

/** `payments.edge-1` → `edge-1/payments`. */
function upstreamOf(name: string): ServerName[] {
  const dot = name.indexOf(".");
  const upstream = `${name.slice(dot + 1)}/${name.slice(0, dot)}`;
  return dot > 0 && isServerName(upstream) ? [upstream] : [];
}

/** The token of `Bearer …`, or the password of `Basic …` (the user if there is no password). */
function tokenOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const [, scheme, credential = ""] = /^(\S+) +(\S+)$/.exec(value) ?? [];
  if (scheme?.toLowerCase() === "bearer") return credential;
  if (scheme?.toLowerCase() === "basic") {
    try {
      const text = atob(credential);
      const colon = text.indexOf(":");
      return colon === -1 ? text : text.slice(colon + 1) || text.slice(0, colon);
    } catch { /* Not base64: as bad as an unknown scheme. */ }
  }
  throw new RpcError(
    Status.UNAUTHENTICATED,
    "Cannot read Proxy-Authorization: it must be Bearer <token>, or Basic with the token as password",
  );
}

function invalid(message: string): RpcError {
  return new RpcError(Status.INVALID_ARGUMENT, message, {
    details: [{
      type: "google.rpc.ErrorInfo",
      value: { reason: "BAD_HANDSHAKE", domain: ERROR_DOMAIN, metadata: {} },
    }],
  });
}

/** What the hub answers to a handshake that it accepts. */
export function acceptance(
  mode: HandshakeMode,
  { server, tunnel }: { readonly server: ServerName; readonly tunnel: string },
): Uint8Array {
  return encode(
    mode === "json"
      ? safeJson({ ok: true, server, tunnel }) + "\n"
      : `HTTP/1.1 200 Connection established\r\nX-Hub-Server: ${server}\r\n` +
        `X-Hub-Tunnel: ${tunnel}\r\n\r\n`,
  );
}

/** Status codes of CONNECT; those that are not here are 502. */
const HTTP_STATUS: Partial<Record<StatusCode, string>> = {
  [Status.INVALID_ARGUMENT]: "400 Bad Request",
  [Status.PERMISSION_DENIED]: "403 Forbidden",
  [Status.NOT_FOUND]: "404 Not Found",
  [Status.UNAUTHENTICATED]: "407 Proxy Authentication Required",
  [Status.RESOURCE_EXHAUSTED]: "503 Service Unavailable",
  [Status.UNAVAILABLE]: "503 Service Unavailable",
  [Status.DEADLINE_EXCEEDED]: "504 Gateway Timeout",
};

const EXTRA_HEADERS: Partial<Record<StatusCode, readonly string[]>> = {
  [Status.UNAUTHENTICATED]: [
    'Proxy-Authenticate: Bearer realm="ghub"',
    'Proxy-Authenticate: Basic realm="ghub"',
  ],
  [Status.UNAVAILABLE]: [`Retry-After: ${RETRY_DELAY_MS / 1000}`],
};

/**
 * What the hub answers to a handshake that it refuses, before it closes.
 *
 * @param servers Names that are here, for the JSON answer; only to be given to an operator who may see them.
 */
export function rejection(
  mode: HandshakeMode,
  { code, message }: Pick<RpcError, "code" | "message">,
  { servers = [] }: { readonly servers?: readonly ServerName[] } = {},
): Uint8Array {
  if (mode === "json") {
    const list = servers.length === 0 ? {} : { servers: servers.slice(0, MAX_NAMES_SHOWN) };
    return encode(safeJson({ ok: false, code: statusName(code), message, ...list }) + "\n");
  }
  return httpAnswer(HTTP_STATUS[code] ?? "502 Bad Gateway", message, EXTRA_HEADERS[code]);
}

/** What the hub answers to what it cannot serve on its call port, before it closes. */
export function helpfulAnswer(sniffed: "tls" | "http1" | "other"): Uint8Array {
  return HELPFUL[sniffed];
}

const WHAT_THIS_IS = "This is the call port of a ghub: it speaks gRPC (HTTP/2 without upgrade), " +
  "a JSON handshake and HTTP CONNECT";

const HELPFUL = {
  // Clients that got no TLS hello look at least for HTTP (Go says so in its error).
  tls: httpAnswer(
    "400 Bad Request",
    "This port speaks plain text, not TLS: dial it without TLS, or start ghub with --call-tls",
  ),
  http1: httpAnswer(
    "426 Upgrade Required",
    `${WHAT_THIS_IS}. Servers dial its tunnel port (--tunnel-listen) instead`,
    ["Upgrade: h2c"],
  ),
  other: goaway(`${WHAT_THIS_IS}\n`),
};

/** A GOAWAY frame (RFC 9113 §6.8): its debug data is text to a person, and all of it an answer to a broken client. */
function goaway(text: string): Uint8Array {
  const debug = encode(text);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + 8 + debug.length);
  writeUint32(frame, 0, (8 + debug.length) << 8 | FrameType.GOAWAY);
  writeUint32(frame, FRAME_HEADER_BYTES + 4, ErrorCode.PROTOCOL_ERROR);
  frame.set(debug, FRAME_HEADER_BYTES + 8);
  return frame;
}

function httpAnswer(status: string, message: string, headers: readonly string[] = []): Uint8Array {
  // A message is one line, so that nothing of it can become a header or a second answer.
  const body = encode(message.replace(/[\r\n]+/g, " ") + "\n");
  const head = [
    `HTTP/1.1 ${status}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    ...headers,
    "Connection: close",
  ].join("\r\n");
  return new Uint8Array([...encode(`${head}\r\n\r\n`), ...body]);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
