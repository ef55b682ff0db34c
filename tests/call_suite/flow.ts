/**
 * Who does not read stops the one who sends, and nobody else.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Case } from "./case.ts";
import type { EchoClient } from "../support/echo_client.ts";
import { PATIENCE_MS, until } from "../support/until.ts";
import { noise, ok, requestId, text, texts } from "./expect.ts";

const MESSAGE_BYTES = 16 * 1024;
/** 32 MiB in all: more than every buffer on the way may hold. */
const MESSAGES = 2048;
/** What all buffers on the way together may take: windows, sockets and streams. */
const MAX_IN_FLIGHT = 768;
/** So often in a row must a count be the same to say that it stands still. */
const STILL = 5;
const FAST_CALLS = 10;
/** For calls that move all that, or wait until nothing moves. */
const timeoutMs = 4 * PATIENCE_MS;

/** Ten calls side by side, as anybody else makes them meanwhile. */
async function fastCalls(clients: readonly EchoClient[]): Promise<void> {
  const calls = Array.from({ length: FAST_CALLS }, async (_, i) => {
    const data = i % 2 === 0 ? text(`fast ${i}`) : noise(50_000);
    const client = clients[i % clients.length];
    const { responses } = ok(await client!.unary({ data }));
    assert.equal(responses[0]?.data?.length, data.length);
  });
  await Promise.all(calls);
}

/** Makes fast calls until `count` stands still meanwhile, and returns it. */
async function standsStill(
  what: string,
  count: () => number | Promise<number>,
  clients: readonly EchoClient[],
): Promise<number> {
  let last = -1;
  let same = 0;
  return await until(`${what} to stand still`, async () => {
    await fastCalls(clients);
    const now = await count();
    same = now === last ? same + 1 : 0;
    last = now;
    return same >= STILL && now > 0 && now;
  });
}

export const flow: readonly Case[] = [
  ["a caller that does not read stops the server, and only for itself", async (client, path) => {
    using other = path.client();
    const id = requestId();
    const { call, outcome } = client.serverStream(
      { size: MESSAGE_BYTES, count: MESSAGES },
      { metadata: { "x-echo-id": id }, paused: true, timeoutMs },
    );
    const sent = await standsStill(
      "the server",
      async () => (await other.peek(id))?.sent ?? 0,
      [client, other],
    );
    assert.ok(sent <= MAX_IN_FLIGHT, `the server sent ${sent} messages that nobody reads`);

    let read = 0;
    for await (const response of call) {
      assert.equal(response.index ?? 0, read++);
      assert.equal(response.data?.length, MESSAGE_BYTES);
    }
    assert.equal(read, MESSAGES);
    ok(await outcome);
  }],
  ["a server that does not read stops the caller, and only for itself", async (client, path) => {
    using other = path.client();
    const stop = new AbortController();
    const { call, outcome } = client.clientStream({ signal: stop.signal, timeoutMs });
    let taken = 0;
    call.write({ hang: true });
    const data = noise(MESSAGE_BYTES);
    const next = (): void => {
      call.write({ data }, (error?: Error | null) => {
        if (error || ++taken === MESSAGES) return;
        next();
      });
    };
    next();
    const stood = await standsStill("the caller", () => taken, [client, other]);
    assert.ok(stood <= MAX_IN_FLIGHT, `the caller sent ${stood} messages that nobody reads`);
    stop.abort();
    assert.equal((await outcome).code, 1);
  }],
  ["a slow reader of ten streams gets every message of each", async (client) => {
    const streams = Array.from(
      { length: 10 },
      (_, i) =>
        client.serverStream(
          { data: text(`${i}`.repeat(2000)), count: 100 },
          { paused: true, timeoutMs },
        ),
    );
    for (const [i, { call, outcome }] of streams.entries()) {
      const words = new Set<string>();
      let count = 0;
      for await (const response of call) {
        count++;
        words.add(texts([response])[0]!);
      }
      assert.equal(count, 100);
      assert.deepEqual([...words], [`${i}`.repeat(2000)]);
      ok(await outcome);
    }
  }],
];
