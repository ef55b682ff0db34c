/**
 * Callers who want the server's memory: what they get is bounded, counted, and given back.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { echo_v1_EchoRequest as Req, echo_v1_EchoResponse as Res } from "../gen/types.ts";
import { bidi, serverStream, unary } from "../grpc/handlers.ts";
import { FLOOD_LIMITS } from "../http2/flood_guard.ts";
import type { Stream } from "../http2/stream.ts";
import { GrpcServer } from "./server.ts";
import { Caller, message, turn } from "./testing/caller.ts";

const MAX_STREAMS = 50;
const MAX_MESSAGE = 16 << 10;
const WINDOW = 65_535;

/** A handler of each kind that waits, and how many of them do. */
function world() {
  let open = 0;
  const server = new GrpcServer({
    maxConcurrentStreams: MAX_STREAMS,
    maxMessageBytes: MAX_MESSAGE,
  });
  const wait = async (signal: AbortSignal) => {
    open++;
    if (!signal.aborted) await once(signal, "abort");
    open--;
  };
  server.addService("echo.v1.Echo", {
    Unary: unary<Req, Res>(async (_, { signal }) => {
      await wait(signal);
      return {};
    }),
    ServerStream: serverStream<Req, Res>(async function* (_, { signal }) {
      const data = new Uint8Array(MAX_MESSAGE);
      while (!signal.aborted) yield await Promise.resolve({ data });
    }),
    Bidi: bidi<Req, Res>(async function* (_, { signal }) {
      await wait(signal);
      yield {};
    }),
  });
  return { caller: new Caller(server), open: () => open };
}

async function still(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

/** All calls end, and nothing of them is left. */
async function expectNothingLeft(caller: Caller, open: () => number): Promise<void> {
  caller.served.close();
  await still();
  assert.equal(open(), 0, "each handler was told");
  assert.equal(caller.served.heldBytes - caller.served.outputBytes, 0);
  assert.deepEqual([...caller.served.calls], []);
}

/** As many streams as one likes. */
function openAll(caller: Caller, method: string, count: number): Stream[] {
  return Array.from({ length: count }, () => caller.call(method));
}

Deno.test("a flood of calls: no more are open than the limit, whatever the caller was told", async () => {
  const { caller, open } = world();
  openAll(caller, "Bidi", 5 * MAX_STREAMS);
  await still();
  assert.equal(open(), MAX_STREAMS);
  const refused = caller.log.filter((line) => / REFUSED_STREAM peer$/.test(line));
  assert.equal(refused.length, 4 * MAX_STREAMS);
  await expectNothingLeft(caller, open);
});

Deno.test("half requests: what has come of them is counted, and what is only promised is not held", async () => {
  const { caller, open } = world();
  const promise = message({ data: new Uint8Array(MAX_MESSAGE - 100) });
  const streams = openAll(caller, "Unary", MAX_STREAMS);
  for (const stream of streams) caller.send(stream, promise.subarray(0, 5));
  await still();
  assert.ok(caller.served.heldBytes <= 5 * MAX_STREAMS, "five bytes each");
  for (const stream of streams) caller.send(stream, promise.subarray(5, promise.length - 1));
  await still();
  const each = promise.length - 1;
  assert.equal(caller.served.heldBytes, each * MAX_STREAMS);
  for (const stream of streams) caller.reset(stream, 8);
  assert.equal(caller.served.heldBytes, 0);
  await expectNothingLeft(caller, open);
});

Deno.test("requests that no handler reads: a window each, also if they are empty", async (t) => {
  for (const [what, bytes] of [["large", new Uint8Array(1000)], ["empty", undefined]] as const) {
    await t.step(what, async () => {
      const { caller, open } = world();
      const one = message(bytes === undefined ? {} : { data: bytes });
      const many = new Uint8Array(one.length * Math.ceil(2 * WINDOW / one.length));
      for (let at = 0; at < many.length; at += one.length) many.set(one, at);
      for (const stream of openAll(caller, "Bidi", 10)) caller.send(stream, many);
      await still();
      assert.equal(caller.served.heldBytes, 10 * WINDOW);
      await expectNothingLeft(caller, open);
    });
  }
});

Deno.test("small requests by the ten thousand leave others their turn", async () => {
  const server = new GrpcServer({
    maxConcurrentStreams: MAX_STREAMS,
    maxMessageBytes: MAX_MESSAGE,
  });
  let read = 0;
  server.addService("echo.v1.Echo", {
    Bidi: bidi<Req, Res>(async function* (requests) {
      for await (const _ of requests) read++;
      yield {};
    }),
  });
  await using caller = new Caller(server);
  const one = message();
  const many = new Uint8Array(one.length * 13_000);
  for (let at = 0; at < many.length; at += one.length) many.set(one, at);
  const streams = openAll(caller, "Bidi", 20);
  for (const stream of streams) caller.send(stream, many, true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.ok(read < 20 * 13_000, "a timer has fired before all were read");
  await Promise.all(streams.map((stream) => caller.ended(stream)));
  assert.equal(read, 20 * 13_000);
});

Deno.test("answers that nobody reads: a window and what a handler may be ahead, each", async () => {
  const { caller, open } = world();
  caller.recorder.consumes = false;
  for (let i = 0; i < 20; i++) caller.send(caller.call("ServerStream"), message(), true);
  await still();
  const ahead = (64 << 10) + MAX_MESSAGE + 20;
  const { heldBytes } = caller.served;
  assert.ok(heldBytes > 20 * (32 << 10) && heldBytes <= 20 * ahead, `${heldBytes}`);
  await expectNothingLeft(caller, open);
});

Deno.test("a flood of resets ends the connection, and no handler goes on", async () => {
  const { caller, open } = world();
  for (let i = 0; i <= FLOOD_LIMITS.rapidReset && caller.served.broken === undefined; i++) {
    caller.reset(caller.call("Bidi"), 8);
  }
  assert.match(String(caller.served.broken), /rapidReset/);
  await caller.heard(/^goaway .* ENHANCE_YOUR_CALM/);
  await expectNothingLeft(caller, open);
});

Deno.test("resets at an honest pace are nobody's fault", async () => {
  const { caller, open } = world();
  for (let second = 0; second < 3; second++) {
    for (let i = 0; i < 1000; i++) caller.reset(caller.call("Bidi"), 8);
    caller.served.tick();
  }
  assert.equal(caller.served.broken, undefined);
  await expectNothingLeft(caller, open);
});

Deno.test("a header list over the limit is refused, and what is gathered of one is counted", async () => {
  const { caller, open } = world();
  const stream = caller.call("Unary", [["x-large", "v".repeat(33 << 10)]]);
  assert.match(await caller.ended(stream), /grpc-status=8 .*more metadata than is accepted/);
  const head = Uint8Array.of(0, 0x3e, 0x80, 1, 0, 0, 0, 0, 3);
  caller.served.receive(head);
  caller.served.receive(new Uint8Array(16_000));
  assert.equal(caller.served.heldBytes, 16_000);
  caller.served.close();
  assert.equal(open(), 0);
});
