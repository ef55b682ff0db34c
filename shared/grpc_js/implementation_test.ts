import type { handleUnaryCall } from "@grpc/grpc-js";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import type { echo_v1_EchoRequest as Req, echo_v1_EchoResponse as Res } from "../gen/types.ts";
import { CallMetadata } from "../grpc/call_metadata.ts";
import { bidi, type CallContext, clientStream, unary } from "../grpc/handlers.ts";
import { errorInfo, RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import { adapted } from "./implementation.ts";
import { aborted, callUnary, echo, method, seen } from "./testing/echo.ts";

Deno.test("unary() gives request and context, and answers with headers and trailers", async () => {
  const ended = seen();
  await using world = await echo({
    Unary: unary<Req, Res>(async (request, context) => {
      assert.match(context.peer, /^127\.0\.0\.1:\d+$/);
      assert.equal(context.deadlineMs, undefined);
      assert.equal(context.signal.aborted, false);
      const headers = new CallMetadata();
      headers.add("x-first", "1");
      context.sendHeaders(headers);
      context.trailers.add("x-last", "2");
      await Promise.resolve();
      ended.resolve(context);
      return { index: request.count };
    }),
  });
  const { response, status, headers } = await callUnary(world.client, { count: 7 });
  assert.equal(response.index, 7);
  assert.deepEqual(headers?.get("x-first"), ["1"]);
  assert.deepEqual(status?.metadata.get("x-last"), ["2"]);
  assert.equal((await aborted((await ended.context).signal)).message, "The call has ended");
});

Deno.test("unary() turns what is thrown into a status", async (t) => {
  const table: [name: string, thrown: unknown, code: number, message: string][] = [
    ["RpcError", new RpcError(Status.NOT_FOUND, 'No "é😀%" here'), 5, 'No "é😀%" here'],
    ["Error", new Error("disk is full"), 13, "disk is full"],
    ["Error with a stack in it", new Error("a\n    at f (/x.ts:1)\n    at g"), 13, "a"],
    ["half a character", new RpcError(Status.ABORTED, "\ud800!"), 10, "\ufffd!"],
    ["something else", "text", 13, "text"],
  ];
  const logs: LogRecord[] = [];
  await configure({
    sinks: { list: (record) => logs.push(record) },
    loggers: [
      { category: ["grpc"], sinks: ["list"] },
      { category: ["logtape", "meta"], lowestLevel: "warning" },
    ],
  });
  try {
    for (const [name, thrown, code, message] of table) {
      await t.step(name, async () => {
        logs.length = 0;
        await using world = await echo({
          Unary: unary<Req, Res>(() => {
            throw thrown;
          }),
        });
        await assert.rejects(callUnary(world.client, {}), (error: RpcError) => {
          assert.deepEqual([error.code, error.message], [code, message]);
          return true;
        });
        const unknown = !(thrown instanceof RpcError);
        assert.equal(logs.length, unknown ? 1 : 0);
        if (unknown) {
          assert.deepEqual(logs[0]?.properties, { method: "/echo.v1.Echo/Unary", error: thrown });
        }
      });
    }
  } finally {
    await reset();
  }
});

Deno.test("fromServiceError() gives back details and trailers", async () => {
  const detail = errorInfo("UNIT_MASKED", "fluentd.agent", { unit: "fluentd.service" });
  await using world = await echo({
    Unary: unary<Req, Res>((_, context) => {
      context.trailers.add("x-hub-hop", "server");
      throw new RpcError(Status.FAILED_PRECONDITION, "unit is masked", { details: [detail] });
    }),
  });
  await assert.rejects(callUnary(world.client, {}), (error: RpcError) => {
    assert.equal(error.code, Status.FAILED_PRECONDITION);
    assert.deepEqual(error.details, [detail]);
    assert.deepEqual(error.metadata?.get("x-hub-hop"), ["server"]);
    return true;
  });
});

Deno.test("unary() aborts the signal at the deadline", async () => {
  const reached = new Map<number, { context: CallContext; atMs: number }>();
  await using world = await echo({
    Unary: unary<Req, Res>(async ({ count }, context) => {
      reached.set(count!, { context, atMs: Date.now() });
      throw await aborted(context.signal);
    }),
  });
  // On a slow machine a short deadline passes before the call is at its handler.
  let [waitMs, startMs] = [30, 0];
  do {
    waitMs *= 2;
    startMs = Date.now();
    const call = callUnary(world.client, { count: waitMs }, { deadline: startMs + waitMs });
    await assert.rejects(call, { code: Status.DEADLINE_EXCEEDED });
  } while (!reached.has(waitMs));
  const { context: { deadlineMs, signal }, atMs } = reached.get(waitMs)!;
  // It travels as what is left of it, in whole milliseconds, and so the way is added.
  const late = deadlineMs! - (startMs + waitMs);
  assert.ok(late >= -1 && late <= atMs - startMs + 1, `${late} ms late`);
  // The caller's own deadline cancels at the same moment: either may come first by a hair.
  assert.ok(([Status.DEADLINE_EXCEEDED, Status.CANCELLED] as number[]).includes(
    (await aborted(signal)).code,
  ));
});

Deno.test("clientStream() gives the requests as they come", async () => {
  await using world = await echo({
    ClientStream: clientStream<Req, Res>(async (requests) => {
      let received = 0;
      for await (const request of requests) received += request.count!;
      return { received };
    }),
  });
  const answer = Promise.withResolvers<Res>();
  const call = world.client.makeClientStreamRequest(
    ...method("ClientStream"),
    (error, response) => error ? answer.reject(error) : answer.resolve(response as Res),
  );
  for (let i = 1; i <= 100; i++) call.write({ count: i });
  call.end();
  assert.equal((await answer.promise).received, 5050);
});

Deno.test("clientStream() may answer before the requests end", async () => {
  await using world = await echo({
    ClientStream: clientStream<Req, Res>(async (requests) => {
      for await (const request of requests) if (request.count === 2) return { received: 2 };
      throw new Error("unreachable");
    }),
  });
  const answer = Promise.withResolvers<Res>();
  const call = world.client.makeClientStreamRequest(
    ...method("ClientStream"),
    (error, response) => error ? answer.reject(error) : answer.resolve(response as Res),
  );
  call.write({ count: 1 });
  call.write({ count: 2 });
  assert.equal((await answer.promise).received, 2);
  call.cancel();
});

Deno.test("clientStream() ends the requests with an error when the caller cancels", async () => {
  const failure = Promise.withResolvers<unknown>();
  const first = Promise.withResolvers<void>();
  await using world = await echo({
    ClientStream: clientStream<Req, Res>(async (requests) => {
      try {
        for await (const _ of requests) first.resolve();
        failure.resolve("ended as if the caller had sent all");
      } catch (error) {
        failure.resolve(error);
        throw error;
      }
      return {};
    }),
  });
  const call = world.client.makeClientStreamRequest(...method("ClientStream"), () => {});
  call.write({});
  await first.promise;
  call.cancel();
  const error = await failure.promise;
  assert.ok(error instanceof RpcError);
  assert.equal(error.code, Status.CANCELLED);
});

Deno.test("bidi() answers while it reads, and after it stopped reading", async () => {
  await using world = await echo({
    Bidi: bidi<Req, Res>(async function* (requests) {
      for await (const request of requests) {
        yield { index: request.count };
        if (request.count === 3) break;
      }
      yield { index: 99 };
    }),
  });
  const call = world.client.makeBidiStreamRequest(...method("Bidi"));
  const indexes: unknown[] = [];
  call.write({ count: 1 });
  for await (const { index } of call as AsyncIterable<Res>) {
    indexes.push(index);
    if (index! < 3) call.write({ count: index! + 1 });
  }
  assert.deepEqual(indexes, [1, 2, 3, 99]);
});

Deno.test("bidi() reads no more than the handler asks for", async () => {
  const handler = seen();
  await using world = await echo({
    Bidi: bidi<Req, Res>(async function* (requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      await iterator.next();
      handler.resolve(context);
      yield {};
      await aborted(context.signal);
    }),
  });
  const call = world.client.makeBidiStreamRequest(...method("Bidi"));
  call.on("error", () => {});
  const data = new Uint8Array(256 * 1024);
  let flushed = 0;
  for (let i = 0; i < 400; i++) call.write({ data }, () => flushed++);
  await handler.context;
  let before = -1;
  while (before !== flushed) {
    before = flushed;
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.ok(flushed < 200, `${flushed} messages of 256 KiB left for a handler who read one`);
  call.cancel();
  assert.equal((await aborted((await handler.context).signal)).code, Status.CANCELLED);
});

Deno.test("no call leaves a listener or a timer behind", async () => {
  const calls: EventEmitter[] = [];
  await using world = await echo({
    Unary: ((call, respond) => {
      calls.push(call);
      assert.equal(call.listenerCount("cancelled"), 0);
      (adapted(unary<Req, Res>(() => ({}))) as handleUnaryCall<Req, Res>)(call, respond);
      assert.equal(call.listenerCount("cancelled"), 1);
    }) satisfies handleUnaryCall<Req, Res>,
  });
  // A timer that were left would wait for a minute: the sanitizer of timers tells.
  for (let i = 0; i < 20; i++) await callUnary(world.client, {}, { deadline: Date.now() + 60_000 });
  assert.deepEqual(calls.map((call) => call.listenerCount("cancelled")), Array(20).fill(0));
});
