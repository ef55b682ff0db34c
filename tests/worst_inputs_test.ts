/**
 * What peers send, at its worst: each parser does work that grows with the input and not with its
 * square. Steps are counted and not seconds; regexp_test.ts judges what happens inside expressions.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect as connectTo, createServer } from "node:net";
import { looksLikeJwt } from "../hub/auth/jwt.ts";
import { HandshakeReader } from "../hub/calls/raw_handshake.ts";
import { parseMeta } from "../hub/tunnels/registration_headers.ts";
import { readHead } from "../hub/net/read_head.ts";
import { messageOf, parseRetryAfter } from "../server/dial/dial_refusal.ts";
import { readRequestHead } from "../shared/http1/request_head.ts";
import { readElements } from "../shared/codec/xml_tree.ts";
import { readJson } from "../shared/codec/json.ts";
import { percentDecode, percentEncode } from "../shared/grpc/percent.ts";
import { RpcError } from "../shared/grpc/rpc_error.ts";
import { parseTimeout } from "../shared/grpc/timeout.ts";
import { httpConnect } from "../shared/net/http_connect.ts";
import { socks5Connect } from "../shared/net/socks5.ts";
import { glob } from "../shared/rules/glob.ts";
import { printable } from "../shared/text/printable.ts";
import { parseLabels } from "../shared/registration/labels.ts";
import { isServerName } from "../shared/registration/server_name.ts";
import { countSteps } from "./support/steps.ts";

/** Both below the bounds of all parsers, so that none of them refuses before it works. */
const SMALL = 1_500;
const TIMES = 4;
/** Four times the input may take a little more than four times the steps; its square takes 16. */
const MOST = 6;
/** What any call costs, however short its input is. */
const START = 2_000;

const HEAD = "GET /ws HTTP/1.1\r\nHost: hub\r\n";

/** A parser, and an input of some length that is hard for it. */
type Case = readonly [what: string, input: (n: number) => string, act: (input: string) => unknown];

const CASES: readonly Case[] = [
  ["a head of blanks", (n) => `${HEAD}A: ${" ".repeat(n)}x\r\n\r\n`, head],
  ["a head of blanks before a break", (n) => `${HEAD}A:${" \t".repeat(n / 2)}\r\n\r\n`, head],
  ["a head without an end", (n) => `${HEAD}A: ${"\r".repeat(n)}`, head],
  ["a head of lines", (n) => `${HEAD}${"a:b\r\n".repeat(n / 100)}\r\n`, head],
  ["a head, byte by byte", (n) => `${HEAD}A: ${"x".repeat(n)}\r\n\r\n`, headByteByByte],
  ["CONNECT of blanks", (n) => `CONNECT a:1 HTTP/1.1\r\nA:${" ".repeat(n)}x\r\n\r\n`, connect],
  ["CONNECT of colons", (n) => `CONNECT ${":".repeat(n)} HTTP/1.1\r\n\r\n`, connect],
  ["CONNECT of line breaks", (n) => `CONNECT a:1 HTTP/1.1${"\r".repeat(n)}\r\n\r\n`, connect],
  ["a handshake of braces", (n) => `{"version":1,"x":${"[".repeat(n)}\n`, json],
  ["a handshake of escapes", (n) => `{"version":1,"token":"${"\\n".repeat(n / 2)}"}\n`, json],
  ["labels", (n) => "a=b,".repeat(n / 4), (text) => quiet(() => parseLabels(text))],
  ["labels of blanks", (n) => `a=${" ".repeat(n)}b`, (text) => quiet(() => parseLabels(text))],
  ["meta", (n) => "-".repeat(n), (text) => parseMeta(() => text, "192.0.2.1:1")],
  ["a server name of points", (n) => "a.".repeat(n / 2), isServerName],
  ["a server name of slashes", (n) => "a/".repeat(n / 2), isServerName],
  ["grpc-timeout", (n) => `${"0".repeat(n)}S`, (text) => quiet(() => parseTimeout(text))],
  ["grpc-message of escapes", (n) => "%e4".repeat(n / 3), percentDecode],
  ["grpc-message of percents", (n) => "%".repeat(n), percentDecode],
  ["grpc-message to be written", (n) => "\u{1f600}\ud800".repeat(n / 3), percentEncode],
  ["a JWT of points", (n) => ".".repeat(n), looksLikeJwt],
  ["a JWT without an end", (n) => `a.${"b".repeat(n)}.`, looksLikeJwt],
  ["XML: a comment without an end", (n) => `<a>${"<!--".repeat(n / 4)}`, xml],
  ["XML: elements without an end", (n) => '<a b="'.repeat(n / 6), xml],
  ["XML: elements within each other", (n) => "<a>".repeat(n / 3), xml],
  ["XML: references", (n) => `<a>${"&#38;".repeat(n / 5)}</a>`, xml],
  ["JSON of brackets", (n) => "[".repeat(n), (text) => quiet(() => readJson(text))],
  ["JSON of members", (n) => `{${'"a":1,'.repeat(n / 6)}`, (text) => quiet(() => readJson(text))],
  [
    "an error with line breaks",
    (n) => "\n ".repeat(n / 2),
    (text) => RpcError.from(new Error(text)),
  ],
  ["an answer of control characters", (n) => "\x1b ".repeat(n / 2), messageOf],
  ["Retry-After", (n) => "9".repeat(n), (text) => parseRetryAfter(text, 0)],
  ["a proxy's answer without an end", (n) => `HTTP/1.1 200 OK\r\nA: ${"x".repeat(n)}`, httpProxy],
  ["a proxy's answer of line breaks", (n) => `HTTP/1.1 200 OK${"\r\n\r".repeat(n / 3)}`, httpProxy],
  ["a proxy's answer of blanks", (n) => `HTTP/1.1 ${" ".repeat(n)}x\r\n\r\n`, httpProxy],
  ["a proxy's refusal in many fields", (n) => refused("Server: x\r\n".repeat(n / 11)), httpProxy],
  ["a proxy's refusal of commas", (n) => refused(`Proxy-Authenticate:${",".repeat(n)}`), httpProxy],
  ["a SOCKS5 proxy's bytes behind its answer", (n) => `\x05\x00${"\x05".repeat(n)}`, socksProxy],
  ["a SOCKS5 proxy's address", (n) => `\x05\x00\x05\x00\x00\x03${"\xff".repeat(n)}`, socksProxy],
  ["a text for a terminal", (n) => "\x1b\u202e".repeat(n / 2), printable],
  ["a name for a glob", (n) => "a".repeat(n), (text) => glob("*a*a*a*a*b").matches(text)],
];

Deno.test("B3: parsers of what peers send take a time that grows with it, not with its square", async (t) => {
  for (const [what, input, act] of CASES) {
    await t.step(what, async () => {
      const [small, large] = [input(SMALL), input(TIMES * SMALL)];
      await act(small); // What is made once is made here.
      const few = await countSteps(() => act(small));
      const many = await countSteps(() => act(large));
      assert.ok(many <= MOST * few + START, `${few} steps, and ${many} for ${TIMES} times as much`);
    });
  }
});

Deno.test("B3: the count finds work that grows with the square", async () => {
  const squared = (text: string) => {
    let sum = 0;
    for (const _ of text) for (const _ of text) sum++;
    return sum;
  };
  const few = await countSteps(() => squared("x".repeat(SMALL)));
  const many = await countSteps(() => squared("x".repeat(TIMES * SMALL)));
  assert.ok(many > MOST * few + START, `${few} and ${many} steps`);
});

function head(text: string): void {
  quiet(() => readRequestHead(bytes(text)));
}

async function headByteByByte(text: string): Promise<void> {
  const all = bytes(text);
  let at = 0;
  const read = (into: Uint8Array) => {
    if (at === all.length) return Promise.resolve(null);
    into[0] = all[at++]!;
    return Promise.resolve(1);
  };
  await readHead({ read });
}

function connect(text: string): void {
  new HandshakeReader("connect").push(bytes(text));
}

function json(text: string): void {
  new HandshakeReader("json").push(bytes(text));
}

function xml(text: string): void {
  quiet(() => readElements(text));
}

function refused(fields: string): string {
  return `HTTP/1.1 407 No\r\n${fields}\r\n\r\n`;
}

function httpProxy(text: string): Promise<void> {
  return answeredBy(text, httpConnect);
}

function socksProxy(text: string): Promise<void> {
  return answeredBy(text, socks5Connect);
}

/** Asks a proxy that says this, whatever it is asked. */
async function answeredBy(text: string, ask: typeof httpConnect): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => {}).once("data", () => socket.end(text, "latin1"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connectTo({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  try {
    await once(socket, "connect");
    const target = { host: "hub.example", port: 443 };
    const { signal } = new AbortController();
    await ask(socket, { target, credentials: undefined, signal }).catch(() => {});
  } finally {
    socket.destroy();
    server.close();
    await once(server, "close");
  }
}

/** What is refused has been read all the same. */
function quiet(act: () => unknown): void {
  try {
    act();
  } catch { /* It was told. */ }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
