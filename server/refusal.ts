/**
 * Reads why a hub, or a proxy before it, answered anything but 101.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { DialError, statusHint } from "./dial_error.ts";

/** More of a refusal's body is not read: a hub sends one line. */
const MAX_BODY_BYTES = 16 * 1024;
/** More of a message is not shown. */
const MAX_MESSAGE_LENGTH = 300;
/** A hub cannot send a server away for longer. */
export const MAX_RETRY_AFTER_MS = 600_000;

/** Where a refusal came from. */
export interface RefusalSource {
  readonly byProxy: boolean;
}

/** The refusal as an error; never rejects because of a body that is cut or strange. */
export async function readRefusal(
  response: IncomingMessage,
  { byProxy }: RefusalSource,
): Promise<DialError> {
  const status = response.statusCode ?? 0;
  const who = byProxy ? "The proxy" : "The hub";
  const words = messageOf(await readBody(response));
  return new DialError(`${who} answered ${status}${words === "" ? "" : `: ${words}`}`, {
    // What a proxy says is not what the hub says of our name or credential.
    ...(!byProxy && { status }),
    retryAfterMs: parseRetryAfter(response.headers["retry-after"], Date.now()),
    hint: byProxy && status !== 407
      ? "The proxy does not let us through to the hub: check --proxy, or use --proxy direct"
      : statusHint(status),
  });
}

/** The `message` of a hub's JSON, or what else stands there, without control characters. */
export function messageOf(body: string): string {
  let words = body.trimStart().startsWith("<") ? "" : body; // a page for people is no message
  try {
    const { message } = JSON.parse(body);
    if (typeof message === "string") words = message;
  } catch {
    // Not a hub.
  }
  return words.replace(/\p{Cc}+/gu, " ").trim().slice(0, MAX_MESSAGE_LENGTH);
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
