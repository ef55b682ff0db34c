import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import type { echo_v1_EchoRequest as Req, echo_v1_EchoResponse as Res } from "../gen/types.ts";
import { serverStream } from "../grpc/handlers.ts";
import { RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import {
  aborted,
  addressOf,
  closed,
  collect,
  echo,
  method,
  REQUEST,
  seen,
} from "./testing/echo.ts";

/** A method that answers with messages of 256 KiB until it is told to end. */
function endlessStream() {
  const returned = Promise.withResolvers<void>();
  const handler = seen();
  let made = 0;
  return {
    handler,
    returned,
    /** How many messages it was asked for. */
    made: () => made,
    method: serverStream<Req, Res>(async function* (_, context) {
      handler.resolve(context);
      try {
        const data = new Uint8Array(256 * 1024);
        for (;;) yield { data, index: made++ };
      } finally {
        returned.resolve();
      }
    }),
  };
}

Deno.test("serverStream() sends all responses, then trailers", async () => {
  await using world = await echo({
    ServerStream: serverStream<Req, Res>(async function* (request, context) {
      context.trailers.add("x-last", "2");
      for (let index = 0; index < request.count!; index++) yield { index };
      await Promise.resolve();
    }),
  });
  const call = world.client.makeServerStreamRequest(...method("ServerStream"), { count: 100 });
  const status = once(call, "status");
  assert.deepEqual(await collect(call), Array.from({ length: 100 }, (_, index) => index));
  const [{ code, metadata }] = await status;
  assert.deepEqual([code, metadata.get("x-last")], [0, ["2"]]);
});

Deno.test("serverStream() sends the responses before an error", async () => {
  await using world = await echo({
    ServerStream: serverStream<Req, Res>(async function* () {
      yield { index: 1 };
      yield { index: 2 };
      throw new RpcError(Status.DATA_LOSS, "no more");
    }),
  });
  // grpc-js, when it learns of an error, drops responses that it has not handed out: look at the wire.
  const session = http2.connect(`http://${addressOf(world)}`);
  const stream = session.request(REQUEST);
  const trailers = once(stream, "trailers");
  stream.end(new Uint8Array(5));
  const body: number[] = [];
  for await (const chunk of stream) body.push(...chunk);
  assert.deepEqual(body, [0, 0, 0, 0, 2, 0x10, 1, 0, 0, 0, 0, 2, 0x10, 2]);
  assert.equal((await trailers)[0]["grpc-status"], "15");
  await closed(session);
});

Deno.test("serverStream() asks for no more than the caller takes, and ends at a cancel", async () => {
  const { handler, returned, made, method: ServerStream } = endlessStream();
  await using world = await echo({ ServerStream });
  const call = world.client.makeServerStreamRequest(...method("ServerStream"), {});
  call.on("error", () => {});
  await once(call, "readable");
  assert.ok(call.read());
  // What lies between: 16 messages here, the windows and buffers of HTTP/2, 16 messages there.
  let before = -1;
  while (before !== made()) {
    before = made();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.ok(
    made() < 200,
    `${made()} messages of 256 KiB were made for a caller who read one`,
  );
  call.cancel();
  await returned.promise;
  assert.equal((await aborted((await handler.context).signal)).code, Status.CANCELLED);
});

Deno.test("serverStream() ends at the deadline of a caller who reads nothing", async () => {
  const { handler, returned, made, method: ServerStream } = endlessStream();
  await using world = await echo({ ServerStream });
  // grpc-js would cancel at its own deadline; this caller only waits.
  const session = http2.connect(`http://${addressOf(world)}`);
  let stream: http2.ClientHttp2Stream | undefined;
  // On a slow machine a short deadline passes before the call is at its handler.
  for (let waitMs = 100; made() === 0; waitMs *= 2) {
    stream?.close();
    stream = session.request({ ...REQUEST, "grpc-timeout": `${waitMs}m` });
    stream.end(new Uint8Array(5));
    await once(stream, "response");
  }
  await returned.promise;
  const { code } = await aborted((await handler.context).signal);
  assert.equal(code, Status.DEADLINE_EXCEEDED);
  stream?.close();
  await closed(session);
});

Deno.test("serverStream() returns an iterator that waits when the caller cancels", async () => {
  const returned = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<IteratorResult<Res>>();
  const asked = Promise.withResolvers<void>();
  const queue: AsyncIterator<Res> = {
    next: () => (asked.resolve(), waiting.promise),
    return: () => {
      waiting.resolve({ done: true, value: undefined });
      returned.resolve();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  await using world = await echo({
    ServerStream: serverStream<Req, Res>(() => ({ [Symbol.asyncIterator]: () => queue })),
  });
  const call = world.client.makeServerStreamRequest(...method("ServerStream"), {});
  call.on("error", () => {});
  await asked.promise;
  call.cancel();
  await returned.promise;
});

Deno.test("serverStream() of what is no response ends as INTERNAL", async () => {
  await using world = await echo({
    // deno-lint-ignore no-explicit-any -- what types forbid is what is tested
    ServerStream: serverStream<Req, any>(async function* () {
      yield await Promise.resolve(null);
    }),
  });
  const call = world.client.makeServerStreamRequest(...method("ServerStream"), {});
  await assert.rejects(collect(call), { code: Status.INTERNAL });
});
