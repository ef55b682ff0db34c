import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import http2 from "node:http2";
import type { Duplex } from "node:stream";
import { duplexPair } from "./duplex_pair.ts";

async function text(stream: Duplex): Promise<string> {
  let all = "";
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) all += chunk;
  return all;
}

Deno.test("duplexPair() carries bytes both ways and keeps half-close", async () => {
  const [left, right] = duplexPair();
  left.write("a");
  left.end("b");
  assert.equal(await text(right), "ab");
  right.write("still ");
  right.end("open");
  assert.equal(await text(left), "still open");
});

Deno.test("duplexPair() holds the writer until somebody reads", async () => {
  const [left, right] = duplexPair();
  const chunk = Buffer.alloc(16 * 1024, 1);
  let written = 0;
  while (left.write(chunk)) written += chunk.length;
  written += chunk.length;
  assert.ok(written <= 160 * 1024, `held after ${written} bytes`);
  assert.equal(left.writableNeedDrain, true);
  const drained = once(left, "drain");
  let read = 0;
  right.on("data", ({ length }) => read += length);
  await drained;
  left.end();
  await once(right, "end");
  assert.equal(read, written);
  right.end();
});

Deno.test("duplexPair() carries any cutting of any bytes unchanged", async () => {
  const [left, right] = duplexPair();
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i * 31 & 255));
  const received = (async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of right.iterator({ destroyOnReturn: false })) chunks.push(chunk);
    return Buffer.concat(chunks);
  })();
  for (let at = 0, size = 0; at < bytes.length; at += size, size = (size * 7 + 1) % 50_000) {
    if (!left.write(bytes.subarray(at, at + size))) await once(left, "drain");
  }
  left.end();
  assert.ok((await received).equals(bytes));
});

Deno.test("duplexPair() tells the other end of a destroy", async (t) => {
  await t.step("with an error: the same error", async () => {
    const [left, right] = duplexPair();
    const failed = once(right, "error");
    left.on("error", () => {});
    left.destroy(new Error("Cable cut"));
    assert.equal((await failed)[0].message, "Cable cut");
  });
  await t.step("without one: it reads to the end, and cannot write", async () => {
    const [left, right] = duplexPair();
    left.write("last words");
    left.destroy();
    assert.equal(await text(right), "last words");
    const failed = once(right, "error");
    right.write("x");
    assert.equal((await failed)[0].code, "EPIPE");
  });
  await t.step("while a write is held: it fails", async () => {
    const [left, right] = duplexPair();
    const done = new Promise<Error | null | undefined>((resolve) => {
      left.on("error", () => {});
      left.write(Buffer.alloc(1 << 20), resolve);
    });
    right.destroy();
    assert.equal((await done as { code?: string }).code, "EPIPE");
  });
});

Deno.test("duplexPair() carries HTTP/2, as a socket does", async () => {
  const [left, right] = duplexPair();
  const server = http2.createServer();
  server.on("stream", (stream: http2.ServerHttp2Stream) => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  });
  server.emit("connection", right);
  const session = http2.connect("http://hub", { createConnection: () => left });
  const stream = session.request({ ":method": "POST", ":path": "/" });
  const body = Buffer.alloc(1_000_000, "x");
  stream.end(body);
  let received = 0;
  for await (const chunk of stream) received += chunk.length;
  assert.equal(received, body.length);
  const closed = once(right, "close");
  session.close();
  await once(session, "close");
  left.destroy();
  right.destroy();
  await closed;
});
