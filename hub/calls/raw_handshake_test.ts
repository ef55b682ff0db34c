import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status, type StatusName } from "../../shared/grpc/status.ts";
import {
  acceptance,
  type Handshake,
  type HandshakeMode,
  HandshakeReader,
  helpfulAnswer,
  MAX_HANDSHAKE_BYTES,
  type RawRequest,
  rejection,
} from "./raw_handshake.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Reads a handshake that comes in pieces of this size. */
function read(mode: HandshakeMode, bytes: Uint8Array, size: number) {
  const reader = new HandshakeReader(mode);
  for (let at = 0; at < bytes.length; at += size) {
    const result = reader.push(bytes.subarray(at, at + size));
    if (result instanceof RpcError) return result;
    // What the reader has not seen yet follows, as on a socket.
    if (result !== undefined) {
      return { ...result, rest: decode(result.rest) + decode(bytes.subarray(at + size)) };
    }
  }
  return undefined;
}

const request = (...candidates: string[]): RawRequest => ({
  candidates,
  token: undefined,
  forwarded: false,
});

const EDGE = request("edge-1");

const GOOD: [what: string, mode: HandshakeMode, text: string, expected: RawRequest][] = [
  ["server", "json", '{"version":1,"server":"edge-1"}\n', EDGE],
  ["CR LF", "json", '{"version":1,"server":"edge-1"}\r\n', EDGE],
  ["no server", "json", '{"version":1}\n', request()],
  ["an upstream", "json", '{"version":1,"server":"edge-1/pay"}\n', request("edge-1/pay")],
  ["token", "json", '{"version":1,"server":"edge-1","token":"T"}\n', { ...EDGE, token: "T" }],
  ["unknown fields", "json", '{"version":1,"server":"edge-1","x":[{}],"é":"→"}\n', EDGE],
  ["no header", "connect", "CONNECT edge-1:443 HTTP/1.1\r\n\r\n", EDGE],
  ["HTTP/1.0", "connect", "CONNECT edge-1:443 HTTP/1.0\r\nHost: x\r\n\r\n", EDGE],
  ["capitals", "connect", "CONNECT EDGE-1:50051 HTTP/1.1\r\n\r\n", EDGE],
  [
    "a dot: perhaps an upstream",
    "connect",
    "CONNECT pay.edge-1.x:443 HTTP/1.1\r\n\r\n",
    request("pay.edge-1.x", "edge-1.x/pay"),
  ],
  [
    "a dot that splits nothing",
    "connect",
    "CONNECT edge-1.:443 HTTP/1.1\r\n\r\n",
    request("edge-1."),
  ],
  [
    "Bearer",
    "connect",
    "CONNECT edge-1:443 HTTP/1.1\r\nHost: edge-1:443\r\nproxy-authorization: bearer T\r\n\r\n",
    { ...EDGE, token: "T" },
  ],
  [
    "Basic with a password",
    "connect",
    `CONNECT edge-1:443 HTTP/1.1\r\nProxy-Authorization: Basic ${btoa("u:T:2")}\r\n\r\n`,
    { ...EDGE, token: "T:2" },
  ],
  [
    "Basic with a user only",
    "connect",
    `CONNECT edge-1:443 HTTP/1.1\r\nProxy-Authorization: Basic ${btoa("T:")}\r\n\r\n`,
    { ...EDGE, token: "T" },
  ],
  [
    "a proxy before",
    "connect",
    "CONNECT edge-1:443 HTTP/1.1\r\nVia: 1.1 squid\r\n\r\n",
    { ...EDGE, forwarded: true },
  ],
];

Deno.test("HandshakeReader reads what comes in pieces of any size, and leaves the rest", async (t) => {
  for (const [what, mode, text, expected] of GOOD) {
    await t.step(`${mode}: ${what}`, () => {
      const rest = "PRI * HTTP/2.0\r\n\r\n\r\n";
      const bytes = encode(text + rest);
      for (const size of [1, 2, 7, bytes.length]) {
        assert.deepEqual(read(mode, bytes, size), { request: expected, rest }, `by ${size}`);
      }
    });
    await t.step(`${mode}: ${what}, cut off`, () => {
      assert.equal(read(mode, encode(text).subarray(0, -1), 1), undefined);
    });
  }
});

/** Stands where a credential does. */
const SECRET = "s3cr3t";
const MAX_PAD = "x".repeat(MAX_HANDSHAKE_BYTES);
const BAD: [what: string, mode: HandshakeMode, text: string, says: RegExp, code?: StatusName][] = [
  ["not JSON", "json", "{nonsense}\n", /not JSON/],
  ["two on a line", "json", '{"version":1}{}\n', /not JSON/],
  ["a token without quotes", "json", `{"version":1,"token":${SECRET}}\n`, /not JSON/],
  ["a token that ends too early", "json", `{"token":"${SECRET}"${SECRET}}\n`, /not JSON/],
  ["no version", "json", '{"server":"edge-1"}\n', /"version":1/],
  ["another version", "json", '{"version":2,"server":"edge-1"}\n', /"version":1/],
  ["version as text", "json", '{"version":"1","server":"edge-1"}\n', /"version":1/],
  ["bad server", "json", '{"version":1,"server":"Edge"}\n', /Bad "server"/],
  ["server null", "json", '{"version":1,"server":null}\n', /Bad "server"/],
  ["token no string", "json", '{"version":1,"server":"edge-1","token":1}\n', /"token"/],
  ["too long", "json", `{"x":"${MAX_PAD}"}\n`, /longer than 8192/],
  ["no HTTP", "connect", "CONNECT edge-1:443\r\n\r\n", /request line/],
  ["bare LF", "connect", "CONNECT edge-1:443 HTTP/1.1\nHost: x\n\n", /CR LF/],
  ["one bare LF", "connect", "CONNECT edge-1:443 HTTP/1.1\nHost: x\r\n\r\n", /request line/],
  ["blank before a colon", "connect", "CONNECT edge-1:443 HTTP/1.1\r\nHost : x\r\n\r\n", /line 1/],
  ["HTTP/2", "connect", "CONNECT edge-1:443 HTTP/2.0\r\n\r\n", /Request line/],
  ["no port", "connect", "CONNECT edge-1 HTTP/1.1\r\n\r\n", /Bad CONNECT target "edge-1"/],
  ["port 0", "connect", "CONNECT edge-1:0 HTTP/1.1\r\n\r\n", /Bad port/],
  ["port 65536", "connect", "CONNECT edge-1:65536 HTTP/1.1\r\n\r\n", /Bad port/],
  ["port 999999", "connect", "CONNECT edge-1:999999 HTTP/1.1\r\n\r\n", /Bad CONNECT target/],
  ["IPv6", "connect", "CONNECT [::1]:443 HTTP/1.1\r\n\r\n", /Bad CONNECT target/],
  ["an URL", "connect", "CONNECT http://edge-1:443 HTTP/1.1\r\n\r\n", /Bad CONNECT target/],
  ["a user", "connect", `CONNECT x:${SECRET}@edge-1:443 HTTP/1.1\r\n\r\n`, /target "edge-1:443"/],
  [
    "no header",
    "connect",
    "CONNECT edge-1:1 HTTP/1.1\r\nHost: x\r\nBearer s3cr3t\r\n\r\n",
    /line 2/,
  ],
  ["folded", "connect", "CONNECT edge-1:1 HTTP/1.1\r\nA: b\r\n c\r\n\r\n", /line 2/],
  ["too long", "connect", `CONNECT edge-1:1 HTTP/1.1\r\nA: ${MAX_PAD}\r\n\r\n`, /longer/],
  [
    "two credentials",
    "connect",
    "CONNECT edge-1:1 HTTP/1.1\r\nProxy-Authorization: Bearer a\r\nProxy-Authorization: Bearer b\r\n\r\n",
    /occurs 2 times/,
  ],
  ...["Digest x", "Bearer", "Basic %%%", "Bearer a b"].map((value) =>
    [
      `credential ${value}`,
      "connect",
      `CONNECT edge-1:1 HTTP/1.1\r\nProxy-Authorization: ${value}\r\n\r\n`,
      /Cannot read Proxy-Authorization/,
      "UNAUTHENTICATED",
    ] satisfies [string, HandshakeMode, string, RegExp, StatusName]
  ),
];

Deno.test("HandshakeReader says what it cannot understand", async (t) => {
  for (const [what, mode, text, says, code = "INVALID_ARGUMENT"] of BAD) {
    await t.step(`${mode}: ${what}`, () => {
      for (const size of [1, text.length]) {
        const error = read(mode, encode(text), size);
        assert.ok(error instanceof RpcError);
        assert.equal(error.code, Status[code]);
        assert.match(error.message, says);
        assert.ok(!error.message.includes(SECRET), "a credential is never shown");
      }
    });
  }
  await t.step("bytes that are no text", () => {
    const error = read("json", Uint8Array.of(0x7b, 0xff, 0x0a), 1);
    assert.match(String(error), /not UTF-8/);
  });
});

Deno.test("HandshakeReader takes exactly MAX_HANDSHAKE_BYTES", () => {
  const line = (length: number) => {
    const empty = '{"version":1,"x":""}\n';
    return encode(`{"version":1,"x":"${"y".repeat(length - empty.length)}"}\n`);
  };
  const reader = new HandshakeReader("json");
  assert.ok((reader.push(line(MAX_HANDSHAKE_BYTES)) as Handshake).request);
  assert.ok(new HandshakeReader("json").push(line(MAX_HANDSHAKE_BYTES + 1)) instanceof RpcError);
});

Deno.test("acceptance() and rejection() answer in the caller's own mode", async (t) => {
  const error = new RpcError(Status.NOT_FOUND, 'Server "edge-2"\r\nwas never here');
  const who = { server: "edge-1", tunnel: "t-1" };
  await t.step("json", () => {
    assert.equal(
      decode(acceptance("json", who)),
      '{"ok":true,"server":"edge-1","tunnel":"t-1"}\n',
    );
    const names = Array.from({ length: 500 }, (_, i) => `edge-${i}`);
    const lines = decode(rejection("json", error, { servers: names })).split("\n");
    assert.equal(lines.length, 2);
    assert.deepEqual(JSON.parse(lines[0]!), {
      ok: false,
      code: "NOT_FOUND",
      message: error.message,
      servers: names.slice(0, 20),
    });
    assert.equal("servers" in JSON.parse(decode(rejection("json", error))), false);
  });
  await t.step("connect", () => {
    assert.equal(
      decode(acceptance("connect", who)),
      "HTTP/1.1 200 Connection established\r\nX-Hub-Server: edge-1\r\nX-Hub-Tunnel: t-1\r\n\r\n",
    );
    const table: [code: StatusName, line: RegExp][] = [
      ["INVALID_ARGUMENT", /^HTTP\/1\.1 400 /],
      ["PERMISSION_DENIED", /^HTTP\/1\.1 403 /],
      ["NOT_FOUND", /^HTTP\/1\.1 404 /],
      ["UNAUTHENTICATED", /^HTTP\/1\.1 407 [^]*Proxy-Authenticate: Bearer[^]*: Basic/],
      ["UNAVAILABLE", /^HTTP\/1\.1 503 [^]*Retry-After: 5\r\n/],
      ["RESOURCE_EXHAUSTED", /^HTTP\/1\.1 503 /],
      ["DEADLINE_EXCEEDED", /^HTTP\/1\.1 504 /],
      ["INTERNAL", /^HTTP\/1\.1 502 /],
    ];
    for (const [code, line] of table) {
      const text = decode(rejection("connect", new RpcError(Status[code], error.message)));
      assert.match(text, line);
      const [head = "", body = ""] = text.split("\r\n\r\n");
      assert.equal(body, 'Server "edge-2" was never here\n');
      assert.match(head, new RegExp(`Content-Length: ${body.length}\r\n`));
    }
  });
});

Deno.test("helpfulAnswer() says what to do", () => {
  assert.match(decode(helpfulAnswer("tls")), /^HTTP\/1\.1 400 [^]*start ghub with --call-tls\n$/);
  assert.match(decode(helpfulAnswer("http1")), /^HTTP\/1\.1 426 [^]*call port of a ghub[^]*\n$/);
  assert.match(decode(helpfulAnswer("other")), /This is the call port of a ghub.*\n$/);
});
