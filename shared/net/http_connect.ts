/**
 * HTTP's CONNECT (RFC 9110 §9.3.6), on a socket to the proxy.
 *
 *     → CONNECT hub.example:443 HTTP/1.1
 *     ← HTTP/1.1 200 …        and then bytes of the target
 *     ← HTTP/1.1 407 …        and then nothing: {@linkcode ProxyError}
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { HostAndPort } from "./no_proxy.ts";
import { ProxyBytes } from "./proxy_bytes.ts";
import { ProxyError, type ProxyFault } from "./proxy_error.ts";

/** The head of a proxy's answer; more is none. */
const MAX_HEAD_BYTES = 16 * 1024;
/** More of a field is not shown. */
const MAX_SHOWN = 100;

/** What a proxy is asked for, and as whom. */
export interface ConnectOptions {
  readonly target: HostAndPort;
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
  readonly signal: AbortSignal;
}

/** @throws {ProxyError} If the proxy refuses. */
export async function httpConnect(
  socket: Socket,
  { target, credentials, signal }: ConnectOptions,
): Promise<void> {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  const authority = `${host}:${target.port}`;
  const basic = credentials &&
    Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64");
  socket.write(
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n` +
      (basic === undefined ? "" : `Proxy-Authorization: Basic ${basic}\r\n`) + "\r\n",
  );
  using bytes = new ProxyBytes(socket, signal);
  const head = (await bytes.takeThrough("\r\n\r\n", MAX_HEAD_BYTES)).toString("latin1");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const [, digits] = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine) ?? [];
  if (digits === undefined) {
    throw new ProxyError("The proxy did not answer in HTTP", {
      fault: "broken",
      hint: "Check the proxy's port and scheme: socks5h:// if it is a SOCKS proxy",
    });
  }
  const status = Number(digits);
  if (status >= 200 && status < 300) return;
  throw refusal(status, {
    authority,
    port: target.port,
    lines,
    hasCredentials: basic !== undefined,
  });
}

interface Refusal {
  readonly authority: string;
  readonly port: number;
  readonly lines: readonly string[];
  readonly hasCredentials: boolean;
}

function refusal(status: number, { authority, port, lines, hasCredentials }: Refusal): ProxyError {
  const field = (name: string) => fieldOf(lines, name);
  // Squid says in one word what its page explains.
  const words = [field("server"), field("x-squid-error")].filter((word) => word !== "").join(", ");
  const message = `The proxy answered ${status}${words === "" ? "" : ` (${words})`}`;
  const schemes = field("proxy-authenticate");
  const hints: Partial<Record<ProxyFault, string>> = {
    credentials: /^(negotiate|ntlm|kerberos)/i.test(schemes) && !/basic/i.test(schemes)
      ? `The proxy wants ${schemes.split(/[\s,]/)[0]}, and only user and password are supported: ` +
        "run a local helper that adds it (such as cntlm or px), and name that one with --proxy"
      : hasCredentials
      ? "The proxy does not accept this user and password: correct them where its URL is set; " +
        "tries are rare, so that no account is locked"
      : "The proxy wants a user and a password: put them into its URL in the environment " +
        "(HTTPS_PROXY), not into the command line, which other users can read",
    forbidden: port === 443
      ? `Ask who runs the proxy to allow CONNECT to ${authority}`
      : `Proxies usually let CONNECT to port 443 only, and this is ${port}: have the hub listen ` +
        `on 443, or ask who runs the proxy to allow CONNECT to ${authority}`,
    target:
      `The proxy lets us through, but does not reach ${authority} itself: is the hub running, ` +
      "and does the proxy know its name?",
    broken: "Check --proxy or HTTPS_PROXY: is that a proxy that allows CONNECT?",
  };
  const fault = faultOf(status);
  return new ProxyError(message, { fault, hint: hints[fault] });
}

function faultOf(status: number): ProxyFault {
  if (status === 407) return "credentials";
  if (status === 401 || status === 403 || status === 405) return "forbidden";
  return status >= 502 && status <= 504 ? "target" : "broken";
}

/** All values of a field, without characters that could control a terminal. */
function fieldOf(lines: readonly string[], name: string): string {
  const prefix = `${name}:`;
  return lines.filter((line) => line.toLowerCase().startsWith(prefix))
    .map((line) => line.slice(prefix.length).replace(/[^\x20-\x7e]+/g, " ").trim())
    .join(", ").slice(0, MAX_SHOWN);
}
