/**
 * The hub's address, as `--hub-uri` takes it.
 *
 *     wss://hub.example:8080/ws   → unchanged
 *     https://hub.example         → wss://hub.example/ws
 *     http://localhost:8080       → ws://localhost:8080/ws
 *
 * @module
 */
import { UsageError } from "../../shared/cli/usage_error.ts";
import { USUAL_ADDRESS } from "../../shared/registration/usual_address.ts";

const SCHEMES: Readonly<Record<string, string>> = {
  "ws:": "ws:",
  "wss:": "wss:",
  "http:": "ws:",
  "https:": "wss:",
};

/** More hubs are not given to one server. */
export const MAX_HUB_URIS = 16;
/** A comma before the next scheme: a path may hold one too. */
const SEPARATOR = /,(?=\s*[a-z]+:\/\/)/i;

/**
 * One URI, or several with commas between them.
 *
 * @throws {UsageError} If one of them cannot be dialled.
 */
export function parseHubUris(text: string): readonly URL[] {
  return text.split(SEPARATOR).map((uri) => parseHubUri(uri.trim()));
}

/**
 * Each of them once.
 *
 * @throws {UsageError} If there are too many.
 */
export function distinctHubUris(given: readonly (readonly URL[])[]): readonly URL[] {
  const byHref = new Map(given.flat().map((uri) => [uri.href, uri]));
  if (byHref.size <= MAX_HUB_URIS) return [...byHref.values()];
  throw new UsageError(`--hub-uri names ${byHref.size} hubs, and ${MAX_HUB_URIS} are the most`);
}

/** @throws {UsageError} If it cannot be dialled. */
export function parseHubUri(text: string): URL {
  const url = URL.parse(text);
  const scheme = url === null ? undefined : SCHEMES[url.protocol];
  if (url === null || scheme === undefined || url.hostname === "") {
    throw new UsageError(`${/@/.test(text) ? "That" : `"${text}"`} is not the URI of a hub`, {
      hint: "Write wss://hub.example:8080/ws (or ws:// for a hub without TLS)",
    });
  }
  if (url.username !== "" || url.password !== "") {
    throw new UsageError("The URI of the hub holds a credential, and URIs end up in logs", {
      hint: "Give the token with --token-file or in GSERVER_TOKEN",
    });
  }
  if (url.hash !== "") throw new UsageError("The URI of the hub has a fragment (#…)");
  // The scheme is replaced in the text: URL's setter does not cross from http to ws.
  const result = new URL(url.href.replace(/^[a-z]+:/, scheme));
  if (result.pathname === "/") result.pathname = USUAL_ADDRESS.tunnelPath;
  return result;
}
