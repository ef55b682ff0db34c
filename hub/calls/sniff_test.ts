import assert from "node:assert/strict";
import { MAX_SNIFF_BYTES, sniff, type Sniffed } from "./sniff.ts";

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** Input → what it is, and how many bytes tell. */
const TABLE: [input: string, is: Sniffed, after: number][] = [
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2", 14],
  ['{"version":1}\n', "json", 1],
  ["CONNECT edge-1:443 HTTP/1.1\r\n", "connect", 8],
  ["\x16\x03\x01\x02\x00\x01", "tls", 2],
  ["GET / HTTP/1.1\r\n", "http1", 4],
  ["POST /x HTTP/1.1\r\n", "http1", 5],
  ["PUT /x HTTP/1.1\r\n", "http1", 4],
  ["PATCH /x HTTP/1.1\r\n", "http1", 6],
  ["HEAD / HTTP/1.1\r\n", "http1", 5],
  ["OPTIONS * HTTP/1.1\r\n", "http1", 8],
  ["DELETE / HTTP/1.1\r\n", "http1", 7],
  ["TRACE / HTTP/1.1\r\n", "http1", 6],
  ["PRI * HTTP/1.1\r\n\r\n", "other", 12],
  ["SSH-2.0-OpenSSH_9\r\n", "other", 1],
  ["CONNECTED\r\n", "other", 8],
  ["\x16\x16", "other", 2],
  ["\x00", "other", 1],
  ["\r\n", "other", 1],
  ["get / http/1.1", "other", 1],
];

Deno.test("sniff() tells byte by byte, as soon as it can", async (t) => {
  for (const [input, is, after] of TABLE) {
    await t.step(JSON.stringify(input), () => {
      for (let length = 0; length <= input.length; length++) {
        const expected = length < after ? "more" : is;
        assert.equal(sniff(bytes(input.slice(0, length))), expected, `after ${length} bytes`);
      }
    });
  }
});

Deno.test("sniff() always knows after MAX_SNIFF_BYTES", () => {
  for (const [input] of TABLE) {
    assert.notEqual(sniff(bytes(input.padEnd(MAX_SNIFF_BYTES).slice(0, MAX_SNIFF_BYTES))), "more");
  }
});
