import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  acceptKey,
  checkUpgrade,
  errorResponse,
  HttpError,
  MAX_HEAD_BYTES,
  MAX_HEAD_FIELDS,
  readRequestHead,
  SUBPROTOCOL,
  upgradeResponse,
} from "./upgrade.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

/** A valid request; a line of `change` replaces the line of that name, an empty one removes it. */
function request(change: Record<string, string | string[]> = {}, line = "GET /ws HTTP/1.1") {
  const fields: Record<string, string | string[]> = {
    Host: "hub.example",
    Upgrade: "websocket",
    Connection: "keep-alive, Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...change,
  };
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().filter((v) => v !== "").map((v) => `${name}: ${v}\r\n`)
  );
  return `${line}\r\n${lines.join("")}\r\n`;
}

const check = (text: string) => checkUpgrade(readRequestHead(bytes(text))!.head);

Deno.test("acceptKey() gives the answer of RFC 6455 §1.3", () => {
  assert.equal(acceptKey(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

Deno.test("readRequestHead() waits for the end and keeps what follows", () => {
  const text = request({ "X-Meta": "  a\tb  " });
  for (let i = 0; i < text.length; i++) {
    assert.equal(readRequestHead(bytes(text.slice(0, i))), undefined, `${i} bytes`);
  }
  const { head, rest } = readRequestHead(bytes(text + "\x82\x00"))!;
  assert.deepEqual([head.method, head.target, head.version], ["GET", "/ws", "1.1"]);
  assert.equal(head.one("x-meta"), "a\tb");
  assert.equal(head.one("x-none"), undefined);
  assert.deepEqual(rest, Uint8Array.of(0x82, 0));
});

Deno.test("readRequestHead() refuses what is malformed or too much", async (t) => {
  const table: [what: string, input: string, status: number][] = [
    ["TLS hello", "\x16\x03\x01", 400],
    ["zero", "\0", 400],
    ["empty line first", "\r\n", 400],
    ["JSON", "{", 400],
    ["no version", "GET /\r\n\r\n", 400],
    ["two spaces", "GET  / HTTP/1.1\r\n\r\n", 400],
    ["space in the target", "GET /a b HTTP/1.1\r\n\r\n", 400],
    ["bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400],
    ["LF inside a field", "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400],
    ["bare CR", "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", 400],
    ["NUL", "GET / HTTP/1.1\r\nA: \0\r\n\r\n", 400],
    ["space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400],
    ["folded line", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400],
    ["no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", 400],
    ["empty name", "GET / HTTP/1.1\r\n: a\r\n\r\n", 400],
    ["endless", "GET /" + "a".repeat(MAX_HEAD_BYTES), 431],
    ["long", request({ A: "a".repeat(MAX_HEAD_BYTES) }), 431],
    ["many fields", request({ A: Array(MAX_HEAD_FIELDS).fill("b") }), 431],
  ];
  for (const [what, input, status] of table) {
    await t.step(what, () => {
      assert.throws(
        () => readRequestHead(bytes(input)),
        (error) => error instanceof HttpError && error.status === status,
      );
    });
  }
});

Deno.test("readRequestHead() reads a head that just fits", () => {
  const room = MAX_HEAD_BYTES - request({ A: "a" }).length + 1;
  assert.ok(readRequestHead(bytes(request({ A: "a".repeat(room) }) + "rest")));
  assert.throws(() => readRequestHead(bytes(request({ A: "a".repeat(room + 1) }))), HttpError);
});

Deno.test("RequestHead.one() refuses to choose", () => {
  const { head } = readRequestHead(bytes(request({ Authorization: ["a", "b"] })))!;
  assert.throws(() => head.one("authorization"), HttpError);
  assert.deepEqual(head.all("authorization"), ["a", "b"]);
});

Deno.test("checkUpgrade() takes what RFC 6455 §4.2.1 allows", async (t) => {
  const table: [what: string, change: Record<string, string | string[]>, protocol?: string][] = [
    ["no subprotocol", {}],
    ["ours", { "Sec-WebSocket-Protocol": SUBPROTOCOL }, SUBPROTOCOL],
    ["ours in a list", { "Sec-WebSocket-Protocol": ["a, b", `c,${SUBPROTOCOL}`] }, SUBPROTOCOL],
    ["letters of any case", { Upgrade: "WebSocket", Connection: "UPGRADE" }],
    ["two Connection fields", { Connection: ["keep-alive", "upgrade"] }],
    ["an empty body", { "Content-Length": "0" }],
  ];
  for (const [what, change, protocol] of table) {
    await t.step(what, () => {
      assert.deepEqual(check(request(change)), { key: KEY, protocol });
    });
  }
});

Deno.test("checkUpgrade() refuses the rest", async (t) => {
  const table: [what: string, input: string, status: number, header?: [string, string]][] = [
    ["POST", request({}, "POST /ws HTTP/1.1"), 405, ["Allow", "GET"]],
    ["HTTP/1.0", request({}, "GET /ws HTTP/1.0"), 505],
    ["HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
    ["no Host", request({ Host: "" }), 400],
    ["two Hosts", request({ Host: ["a", "b"] }), 400],
    ["a browser's visit", request({ Upgrade: "", Connection: "" }), 426, ["Upgrade", "websocket"]],
    ["h2c", request({ Upgrade: "h2c" }), 426],
    ["no Connection: Upgrade", request({ Connection: "keep-alive" }), 400],
    ["version 8", request({ "Sec-WebSocket-Version": "8" }), 426, ["Sec-WebSocket-Version", "13"]],
    ["no version", request({ "Sec-WebSocket-Version": "" }), 426],
    ["no key", request({ "Sec-WebSocket-Key": "" }), 400],
    ["15 bytes of key", request({ "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA" }), 400],
    ["17 bytes of key", request({ "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAA=" }), 400],
    ["key with stray bits", request({ "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAB==" }), 400],
    ["two keys", request({ "Sec-WebSocket-Key": [KEY, KEY] }), 400],
    ["another subprotocol", request({ "Sec-WebSocket-Protocol": "mqtt" }), 400],
    ["a body", request({ "Content-Length": "5" }), 400],
    ["a chunked body", request({ "Transfer-Encoding": "chunked" }), 400],
  ];
  for (const [what, input, status, header] of table) {
    await t.step(what, () => {
      assert.throws(() => check(input), (error) => {
        assert.ok(error instanceof HttpError);
        assert.equal(error.status, status);
        if (header !== undefined) assert.equal(error.headers[header[0]], header[1]);
        return true;
      });
    });
  }
});

Deno.test("upgradeResponse() is the answer of RFC 6455 §1.3", () => {
  const answer = upgradeResponse({ key: KEY, protocol: SUBPROTOCOL }, { "X-Hub": "1" });
  assert.deepEqual(Buffer.from(answer).toString().split("\r\n"), [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
    "X-Hub: 1",
    "",
    "",
  ]);
  const plain = Buffer.from(upgradeResponse({ key: KEY, protocol: undefined })).toString();
  assert.doesNotMatch(plain, /protocol:/i);
});

Deno.test("errorResponse() says what is wrong in one line of JSON", () => {
  const error = new HttpError(429, "BUSY", 'Too many servers: "é"\nlater', {
    headers: { "Retry-After": "5" },
  });
  const [head, body] = Buffer.from(errorResponse(error)).toString().split("\r\n\r\n");
  assert.match(head!, /^HTTP\/1\.1 429 Too Many Requests\r\n/);
  assert.match(head!, /\r\nRetry-After: 5(\r\n|$)/);
  assert.match(head!, /\r\nConnection: close\r\n/);
  assert.equal(/Content-Length: (\d+)/.exec(head!)?.[1], String(Buffer.byteLength(body!)));
  assert.equal(body!.indexOf("\n"), body!.length - 1);
  assert.deepEqual(JSON.parse(body!), { code: "BUSY", message: error.message });
});

Deno.test("a header value cannot smuggle another header in", () => {
  const error = new HttpError(400, "C", "m", { headers: { "X-A": "b\r\nX-C: d" } });
  assert.throws(() => errorResponse(error), TypeError);
});
