/**
 * Reads why anything but 101 came as the answer to an upgrade, and from whom.
 *
 *     gserver ──▶ reverse proxy, load balancer, web server ──▶ hub
 *
 * A hub's refusal is JSON with `code` and `message` (docs/protocol.md §1), which a hop in between
 * passes on unchanged. Any other answer is that hop's own. It must not be told as the hub's: the hub
 * may never have been asked.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { ALREADY_HERE } from "../../shared/registration/hub_id.ts";
import { DialError, statusHint } from "./dial_error.ts";

/** More of a refusal's body is not read: a hub sends one line. */
const MAX_BODY_BYTES = 16 * 1024;
/** More of a message, or of a header field, is not shown. */
const MAX_MESSAGE_LENGTH = 300;
/** A hub cannot send a server away for longer. */
export const MAX_RETRY_AFTER_MS = 600_000;

/**
 * What a hub says when what we sent did not reach it as we sent it: HTTP/1.1, with `Upgrade` and
 * `Connection` (shared/websocket/upgrade.ts).
 */
const STRIPPED: ReadonlySet<string> = new Set(["HTTP_VERSION", "UPGRADE_REQUIRED", "BAD_UPGRADE"]);

const PASS_UPGRADES =
  "let it pass WebSockets on; in nginx: proxy_http_version 1.1; proxy_set_header Upgrade " +
  '$http_upgrade; proxy_set_header Connection "upgrade";';

/** The refusal as an error; never rejects because of a body that is cut or strange. */
export async function readRefusal(response: IncomingMessage): Promise<DialError> {
  const { statusCode: status = 0, headers } = response;
  const body = await readBody(response);
  const retryAfterMs = parseRetryAfter(headers["retry-after"], Date.now());
  const refusal = refusalOf(body);
  if (refusal === undefined) return fromHop({ status, headers, body, retryAfterMs });
  if (STRIPPED.has(refusal.code)) {
    return new DialError(
      `${
        nameOf(headers)
      } before the hub does not pass our request on unchanged: the hub answered ` +
        `${status}: ${refusal.message}`,
      { status, retryAfterMs, lasting: true, hint: `On that proxy, ${PASS_UPGRADES}` },
    );
  }
  if (refusal.code === ALREADY_HERE) {
    return new DialError(refusal.message, { status, retryAfterMs, isHere: true });
  }
  const dateMs = headers.date === undefined ? undefined : Date.parse(headers.date);
  return new DialError(`The hub answered ${status}: ${refusal.message}`, {
    status,
    retryAfterMs,
    dateMs: Number.isNaN(dateMs) ? undefined : dateMs,
    hint: statusHint(status),
  });
}

/** The answer of a hop that is not the hub. */
interface HopAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly retryAfterMs: number | undefined;
}

function fromHop({ status, headers, body, retryAfterMs }: HopAnswer): DialError {
  const location = status >= 300 && status < 400 ? placeOf(headers.location) : undefined;
  const words = location === undefined ? messageOf(body) : `it leads to ${location}`;
  return new DialError(
    `${nameOf(headers)} answered ${status}${words === "" ? "" : `: ${words}`}; no hub answered`,
    {
      status,
      retryAfterMs,
      // What it is configured to answer, it will answer again.
      lasting: status < 400,
      hint: hopHint({ status, body, location }),
    },
  );
}

function hopHint(
  { status, body, location = "" }: Pick<HopAnswer, "status" | "body"> & {
    readonly location: string | undefined;
  },
): string {
  if (/HTTPS port|TLS|SSL/.test(body) && status === 400) {
    return "That port wants TLS: use wss:// in --hub-uri";
  }
  if (status >= 300 && status < 400) {
    const secure = /^(https|wss):\/\/\S+$/.test(location);
    return secure
      ? `If the hub is there, set --hub-uri ${
        location.replace(/^https:/, "wss:")
      }; else answer this ` +
        "path without a redirect"
      : "Have it answer the path of --hub-uri without a redirect, and pass it on to the hub";
  }
  switch (status) {
    case 401:
      return "It wants a password of its own before the hub is asked: let the path of --hub-uri " +
        "through without one (nginx: auth_basic off;), because the hub checks the server's token itself";
    case 403:
      return "It does not let this request through: allow the path of --hub-uri there";
    case 404:
    case 405:
      return "It does not pass this path on: check --hub-uri (a hub listens at /ws), and forward that " +
        "path to the hub's tunnel port";
    case 426:
      return `There, ${PASS_UPGRADES}`;
    case 502:
    case 503:
    case 504:
      return "It does not reach the hub: is the hub running, and does it forward to the hub's tunnel " +
        "port, with TLS if that has it?";
    default:
      return "Check what answers at --hub-uri: it is not the hub itself";
  }
}

/** Who answered, as it names itself. */
function nameOf({ server, via }: IncomingHttpHeaders): string {
  const name = shown(String(server ?? via ?? ""));
  return name === "" ? "A proxy without a name" : `The proxy "${name}"`;
}

/** A redirect's target, without what may be a secret in it. */
function placeOf(location: string | undefined): string | undefined {
  return location === undefined ? undefined : shown(location.replace(/[?#].*$/s, ""));
}

/** What a hub says of itself. */
function refusalOf(body: string): { readonly code: string; readonly message: string } | undefined {
  try {
    const { code, message } = JSON.parse(body);
    if (typeof code !== "string" || typeof message !== "string") return undefined;
    return { code, message: shown(message) };
  } catch {
    return undefined;
  }
}

/** A line of text, if the body is one: a page for people is no message. */
export function messageOf(body: string): string {
  return body.trimStart().startsWith("<") ? "" : shown(body);
}

/** Without control characters, and not too long. */
function shown(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").trim().slice(0, MAX_MESSAGE_LENGTH);
}

/**
 * Reads `Retry-After` (RFC 9110 §10.2.3): seconds or a date.
 *
 * @returns Milliseconds, at most {@linkcode MAX_RETRY_AFTER_MS}; `undefined` if it is none.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= MAX_BODY_BYTES) break;
    }
  } catch {
    // What came before the cut may say enough.
  }
  return Buffer.concat(chunks).toString("utf8", 0, MAX_BODY_BYTES);
}
