/**
 * SOCKS5 (RFC 1928) with user and password (RFC 1929), on a socket to the proxy.
 *
 *     → 05 n METHODS                       ← 05 METHOD          00 none, 02 user and password
 *     → 01 len USER len PASSWORD           ← 01 STATUS          only after 02; 00 is success
 *     → 05 01 00 ATYP ADDRESS PORT         ← 05 REP 00 ATYP ADDRESS PORT
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { isIP, type Socket } from "node:net";
import type { ConnectOptions } from "./http_connect.ts";
import { ProxyBytes } from "./proxy_bytes.ts";
import { ProxyError, type ProxyFault } from "./proxy_error.ts";

const VERSION = 5;
const CONNECT = 1;
const Method = { NONE: 0, PASSWORD: 2 } as const;
/** RFC 1929 §2. */
const PASSWORD_VERSION = 1;
/** How an address is written, and its bytes (RFC 1928 §5). */
const AddressType = { IPV4: 1, DOMAIN: 3, IPV6: 4 } as const;
/** A name, a user and a password have one byte for their length. */
const MAX_STRING_BYTES = 255;

/** REP → what it means (RFC 1928 §6). */
const REPLIES: Readonly<Record<number, readonly [fault: ProxyFault, words: string]>> = {
  1: ["target", "general failure"],
  2: ["forbidden", "not allowed by its rules"],
  3: ["target", "network unreachable"],
  4: ["target", "host unreachable"],
  5: ["target", "connection refused"],
  6: ["target", "TTL expired"],
  7: ["broken", "CONNECT is not supported"],
  8: ["broken", "this kind of address is not supported"],
};

/** @throws {ProxyError} If the proxy refuses. */
export async function socks5Connect(
  socket: Socket,
  { target, credentials, signal }: ConnectOptions,
): Promise<void> {
  const where = `${target.host}:${target.port}`;
  const request = Buffer.concat([
    Buffer.of(VERSION, CONNECT, 0),
    addressOf(target.host),
    Buffer.of(target.port >> 8, target.port & 0xff),
  ]);
  const login = credentials && Buffer.concat([
    Buffer.of(PASSWORD_VERSION),
    shortString(credentials.user, "user"),
    shortString(credentials.password, "password"),
  ]);
  using bytes = new ProxyBytes(socket, signal);
  const methods = login === undefined ? [Method.NONE] : [Method.NONE, Method.PASSWORD];
  socket.write(Buffer.of(VERSION, methods.length, ...methods));
  const [version, method] = await bytes.take(2);
  if (version !== VERSION) {
    throw new ProxyError("The proxy did not answer in SOCKS5", {
      fault: "broken",
      hint: "Check the proxy's port and scheme: http:// if it is an HTTP proxy",
    });
  }
  if (method === Method.PASSWORD && login !== undefined) {
    socket.write(login);
    const [, status] = await bytes.take(2);
    if (status !== 0) {
      throw new ProxyError("The SOCKS5 proxy refuses the user or the password", {
        fault: "credentials",
        hint:
          "Correct them where the proxy's URL is set; tries are rare, so that no account is locked",
      });
    }
  } else if (method !== Method.NONE) {
    throw new ProxyError("The SOCKS5 proxy lets nobody in this way", {
      fault: "credentials",
      hint: login === undefined
        ? "The proxy wants a user and a password: put them into its URL in the environment " +
          "(ALL_PROXY), not into the command line, which other users can read"
        : "The proxy takes neither a user with a password nor nobody: ask who runs it",
    });
  }
  socket.write(request);
  const [, reply = -1, , type] = await bytes.take(4);
  if (reply !== 0) throw refused(reply, { where, port: target.port });
  // The address that the proxy dials from; nobody needs it, but it stands before the target's bytes.
  const length = type === AddressType.IPV4
    ? 4
    : type === AddressType.IPV6
    ? 16
    : (await bytes.take(1))[0]!;
  await bytes.take(length + 2);
}

function refused(
  reply: number,
  { where, port }: { readonly where: string; readonly port: number },
): ProxyError {
  const [fault, words] = REPLIES[reply] ?? ["broken", `code ${reply}`] as const;
  const hints: Partial<Record<ProxyFault, string>> = {
    forbidden: `Ask who runs the proxy to allow ${where}` +
      (port === 443 ? "" : ": often only port 443 is"),
    target: `The proxy lets us through, but does not reach ${where} itself: is the hub running, ` +
      "and does the proxy know its name? socks5h:// lets the proxy resolve it",
  };
  return new ProxyError(`The SOCKS5 proxy answered: ${words}`, { fault, hint: hints[fault] });
}

function addressOf(host: string): Buffer {
  const family = isIP(host);
  if (family === 4) return Buffer.of(AddressType.IPV4, ...host.split(".").map(Number));
  if (family === 6) return Buffer.of(AddressType.IPV6, ...ipv6Bytes(host));
  return Buffer.concat([Buffer.of(AddressType.DOMAIN), shortString(host, "host")]);
}

/** The sixteen bytes of an address. */
function ipv6Bytes(host: string): Buffer {
  // URL writes it in its canonical form, with at most one "::" and no dots.
  const text = new URL(`http://[${host.replace(/%.*$/s, "")}]`).hostname.slice(1, -1);
  const [front = "", back] = text.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const before = groups(front);
  const after = groups(back ?? "");
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  const words = back === undefined ? before : [...before, ...zeros, ...after];
  return Buffer.from(words.map((word) => word.padStart(4, "0")).join(""), "hex");
}

function shortString(text: string, what: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_STRING_BYTES) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  throw new ProxyError(`SOCKS5 has no room for a ${what} of ${bytes.length} bytes`, {
    fault: "broken",
  });
}
