/**
 * Messages of many sizes, and many messages.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { echo_v1_EchoResponse as EchoResponse } from "../../shared/gen/types.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { framed, rawCall, unframed } from "../support/raw_call.ts";
import type { Case } from "./case.ts";
import { assertSameBytes, noise, ok, text, texts } from "./expect.ts";

const MIB = 1024 * 1024;
const MANY = 10_000;
const CONCURRENT = 200;

export const sizes: readonly Case[] = [
  ["messages around each border on the way", async (client) => {
    // 512: the first prototype's buffer. 1 KiB, 16 KiB, 64 KiB: segments, frames, windows.
    for (const border of [512, 1024, 16 * 1024, 64 * 1024]) {
      for (const size of [border - 1, border, border + 1]) {
        const data = noise(size);
        const { responses } = ok(await client.unary({ data }));
        assertSameBytes(responses[0]?.data, data);
      }
    }
  }],
  ["8 MiB each way", async (client) => {
    const data = noise(8 * MIB);
    const { responses } = ok(await client.unary({ data }));
    assertSameBytes(responses[0]?.data, data);
  }],
  ["many messages down, in order", async (client, { many = MANY }) => {
    const { responses } = ok(
      await client.serverStream({ data: text("m"), count: many }).outcome,
    );
    assert.equal(responses.findIndex(({ index = 0 }, i) => index !== i), -1);
    assert.equal(responses.length, many);
  }],
  ["many messages up", async (client, { many = MANY }) => {
    const { call, outcome } = client.clientStream();
    for (let i = 0; i < many; i++) call.write({ data: text(`${i}`) });
    call.end();
    const { responses } = ok(await outcome);
    assert.equal(responses[0]?.received, many);
    assert.deepEqual(texts(responses), [`${many - 1}`]);
  }],
  ["many messages each way, in order", async (client, { many = MANY }) => {
    const { call, outcome } = client.bidi();
    for (let i = 0; i < many; i++) call.write({ data: text(`${i}`) });
    call.end();
    const { responses } = ok(await outcome);
    assert.equal(texts(responses).findIndex((word, i) => word !== `${i}`), -1);
    assert.equal(responses.length, many);
  }],
  ["200 calls at once, each with its own answer", async (client) => {
    const calls = Array.from({ length: CONCURRENT }, async (_, i) => {
      const { responses } = ok(await client.unary({ data: text(`call ${i}`), delayMs: i % 7 }));
      assert.deepEqual(texts(responses), [`call ${i}`]);
    });
    await Promise.all(calls);
  }],
  ["200 streams at once, each with its own answers", async (client) => {
    const calls = Array.from({ length: CONCURRENT }, async (_, i) => {
      const { responses } = ok(
        await client.serverStream({ data: text(`stream ${i}`), count: 5 }).outcome,
      );
      assert.deepEqual(texts(responses), Array(5).fill(`stream ${i}`));
    });
    await Promise.all(calls);
  }],
  ["gzip both ways", async (_client, path) => {
    using client = path.client({ "grpc.default_compression_algorithm": 2 });
    const data = text("squeeze ".repeat(5000));
    const { responses } = ok(await client.unary({ data }, { metadata: { "x-echo-gzip": "1" } }));
    assertSameBytes(responses[0]?.data, data);
    const { call, outcome } = client.bidi({ metadata: { "x-echo-gzip": "1" } });
    for (let i = 0; i < 10; i++) call.write({ data });
    call.end();
    const all = ok(await outcome).responses;
    assert.equal(all.length, 10);
    for (const response of all) assertSameBytes(response.data, data);
  }],
  ["flags of compression", async (_client, path) => {
    const echo = root.lookupType("echo.v1.EchoRequest");
    const request = encodeMessage(echo, { data: text("squeeze ".repeat(5000)) });
    const { headers, trailers, body } = await rawCall(
      path,
      { "content-type": "application/grpc", "grpc-encoding": "gzip", "x-echo-gzip": "1" },
      framed(request, { gzip: true }),
    );
    assert.equal(trailers["grpc-status"], "0");
    const [only] = unframed(body);
    const type = root.lookupType("echo.v1.EchoResponse");
    if (path.compresses === false) {
      assert.equal(headers["grpc-encoding"], undefined);
      return assert.equal(decodeMessage<EchoResponse>(type, only!.message).data?.length, 40_000);
    }
    assert.equal(headers["grpc-encoding"], "gzip");
    assert.ok(only?.compressed, "the answer says that it is compressed");
    assert.ok(body.length < 1000, `the answer is compressed: ${body.length} bytes`);
    const response = decodeMessage<EchoResponse>(type, only.message);
    assert.equal(response.data?.length, 40_000);
  }],
];
