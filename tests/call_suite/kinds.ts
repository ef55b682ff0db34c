/**
 * The four kinds of call, and how each begins and ends.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Case } from "./case.ts";
import { ok, requestId, text, texts } from "./expect.ts";

export const kinds: readonly Case[] = [
  ["unary", async (client) => {
    const { responses } = ok(await client.unary({ data: text("hello") }));
    assert.deepEqual(texts(responses), ["hello"]);
  }],
  ["server stream", async (client) => {
    const { responses } = ok(
      await client.serverStream({ data: text("x"), count: 5, delayMs: 1 }).outcome,
    );
    assert.deepEqual(responses.map(({ index = 0 }) => index), [0, 1, 2, 3, 4]);
    assert.deepEqual(texts(responses), ["x", "x", "x", "x", "x"]);
  }],
  ["client stream", async (client) => {
    const { call, outcome } = client.clientStream();
    for (const word of ["one", "two", "three"]) call.write({ data: text(word) });
    call.end();
    const { responses } = ok(await outcome);
    assert.deepEqual(texts(responses), ["three"]);
    assert.equal(responses[0]?.received, 3);
    assert.equal(responses[0]?.receivedBytes, 11);
  }],
  ["bidi answers each request before the next is sent", async (client) => {
    const { call, outcome } = client.bidi();
    for (const word of ["one", "two", "three"]) {
      const answered = once(call, "data");
      call.write({ data: text(word) });
      const [response] = await answered;
      assert.deepEqual(texts([response]), [word]);
    }
    call.end();
    assert.equal(ok(await outcome).responses.length, 3);
  }],
  ["a server stream of nothing", async (client) => {
    assert.deepEqual(ok(await client.serverStream({}).outcome).responses, []);
  }],
  ["a client stream of nothing", async (client) => {
    const { call, outcome } = client.clientStream();
    call.end();
    assert.equal(ok(await outcome).responses[0]?.received ?? 0, 0);
  }],
  ["a bidi stream of nothing", async (client) => {
    const { call, outcome } = client.bidi();
    call.end();
    assert.deepEqual(ok(await outcome).responses, []);
  }],
  ["empty messages are messages", async (client) => {
    const { call, outcome } = client.bidi();
    for (let i = 0; i < 3; i++) call.write({});
    call.end();
    const { responses } = ok(await outcome);
    assert.deepEqual(responses.map(({ data }) => data?.length ?? 0), [0, 0, 0]);
    assert.equal(responses[2]?.received, 3);
  }],
  ["the server goes on after the caller's half-close", async (client) => {
    const id = requestId();
    const { call, outcome } = client.bidi({ metadata: { "x-echo-id": id } });
    for (let i = 0; i < 3; i++) call.write({ data: text(`${i}`), delayMs: 50 });
    call.end();
    assert.deepEqual(texts(ok(await outcome).responses), ["0", "1", "2"]);
    await client.record(id, (record) => record.halfClosed && record.state === "ended");
  }],
  ["the server can end before the caller does", async (client) => {
    const { call, outcome } = client.bidi();
    call.write({ data: text("last"), failCode: 9, failMessage: "enough" });
    const { code, details, responses } = await outcome;
    assert.deepEqual([code, details], [9, "enough"]);
    assert.deepEqual(texts(responses), ["last"]);
    call.end();
  }],
];
