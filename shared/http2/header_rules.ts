/**
 * When a header section is malformed (RFC 9113 §8.1–§8.3, field syntax of RFC 9110 §5.5–§5.6.2).
 *
 * Each check gives the problem as a sentence, or `undefined`. A malformed section is a stream
 * error of type PROTOCOL_ERROR (RFC 9113 §8.1.1).
 *
 * @module
 */
import type { HeaderList } from "./header_list.ts";

/** A lower-case field name: `tchar` of RFC 9110 §5.6.2 less A–Z. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const FORBIDDEN_IN_VALUE = /[\0\n\r]/;

/** Names that were found good: peers send the same ones again and again. */
const goodNames = new Set<string>();
const MAX_GOOD_NAMES = 1_000;
const MAX_GOOD_NAME = 64;

function isName(name: string): boolean {
  if (goodNames.has(name)) return true;
  if (!NAME.test(name)) return false;
  if (goodNames.size < MAX_GOOD_NAMES && name.length <= MAX_GOOD_NAME) goodNames.add(name);
  return true;
}

const COLON = 0x3a;

/** Fields that only HTTP/1.1 knows (RFC 9113 §8.2.2). */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** RFC 3986 §3.2 without userinfo, which HTTP/2 forbids (RFC 9113 §8.3.1); it may be empty. */
const AUTHORITY = /^[\w\-.~!$&'()*+,;=:%[\]]*$/;
/** RFC 3986 §3.1. */
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
/** No blanks and no control characters; other bytes that a URI has not are the server's affair. */
// deno-lint-ignore no-control-regex -- these are the ones that are meant
const PATH = /^\/[^\x00-\x20\x7f]*$/;

function fieldProblem(name: string, value: string): string | undefined {
  if (name === "") return "Field name is empty";
  if (!isName(name)) return `Field name "${name}" has a forbidden character`;
  if (FORBIDDEN_IN_VALUE.test(value)) return `Value of "${name}" has a forbidden character`;
  if (CONNECTION_SPECIFIC.has(name)) return `Field "${name}" belongs to HTTP/1.1`;
  if (name === "te" && value !== "trailers") return 'Field "te" may only say "trailers"';
  return undefined;
}

/**
 * Checks the section of a request (RFC 9113 §8.3.1). What passes here goes on to servers of which
 * some end the whole connection, with the calls of everybody, for one request that is malformed.
 */
export function requestProblem(fields: HeaderList): string | undefined {
  let method: string | undefined, scheme, path, authority;
  let regular = false, host = false;
  for (const [name, value] of fields) {
    if (name.charCodeAt(0) !== COLON) {
      regular = true;
      if (name === "host") {
        if (host) return 'Field "host" is given twice';
        if (value === "" || !AUTHORITY.test(value)) return `Host "${value}" is not valid`;
        host = true;
      }
      const problem = fieldProblem(name, value);
      if (problem !== undefined) return problem;
      continue;
    }
    if (regular) return `Pseudo-header field "${name}" comes after a regular one`;
    let earlier: string | undefined;
    if (name === ":method") (earlier = method), (method = value);
    else if (name === ":scheme") (earlier = scheme), (scheme = value);
    else if (name === ":path") (earlier = path), (path = value);
    else if (name === ":authority") (earlier = authority), (authority = value);
    else return `Pseudo-header field "${name}" is unknown`;
    if (earlier !== undefined) return `Pseudo-header field "${name}" is given twice`;
  }
  if (method === undefined) return 'Pseudo-header field ":method" is missing';
  if (method === "CONNECT") return undefined;
  if (scheme === undefined) return 'Pseudo-header field ":scheme" is missing';
  if (path === undefined || path === "") return 'Pseudo-header field ":path" is missing';
  if (!SCHEME.test(scheme)) return `Scheme "${scheme}" is not valid`;
  if (!PATH.test(path) && !(path === "*" && method === "OPTIONS")) {
    return `Path "${path}" is not valid`;
  }
  if (authority !== undefined && !AUTHORITY.test(authority)) {
    return `Authority "${authority}" is not valid`;
  }
  return undefined;
}

/** Checks the section of a response (RFC 9113 §8.3.2). */
export function responseProblem(fields: HeaderList): string | undefined {
  if (fields[0]?.[0] !== ":status") return 'Pseudo-header field ":status" is not the first field';
  if (!/^[1-5]\d\d$/.test(fields[0][1])) return `Status "${fields[0][1]}" is not valid`;
  return trailersProblem(fields, 1);
}

/** Checks trailers: no pseudo-header fields (RFC 9113 §8.1). */
export function trailersProblem(fields: HeaderList, from = 0): string | undefined {
  for (let i = from; i < fields.length; i++) {
    const [name, value] = fields[i]!;
    if (name.charCodeAt(0) === COLON) return `Pseudo-header field "${name}" is out of place`;
    const problem = fieldProblem(name, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * The value of `content-length`: −1 if there is none, `undefined` if it is malformed or there
 * twice (RFC 9110 §8.6).
 */
export function contentLength(fields: HeaderList): number | undefined {
  let length = -1;
  for (const [name, value] of fields) {
    if (name !== "content-length") continue;
    if (!/^\d{1,15}$/.test(value) || length !== -1) return undefined;
    length = Number(value);
  }
  return length;
}
