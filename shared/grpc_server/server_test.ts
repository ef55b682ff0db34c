import assert from "node:assert/strict";
import { once } from "node:events";
import type { echo_v1_EchoRequest as Req, echo_v1_EchoResponse as Res } from "../gen/types.ts";
import { CallMetadata } from "../grpc/call_metadata.ts";
import {
  bidi,
  type CallContext,
  clientStream,
  type Handlers,
  serverStream,
  unary,
} from "../grpc/handlers.ts";
import { errorInfo, RpcError } from "../grpc/rpc_error.ts";
import { Status } from "../grpc/status.ts";
import type { HeaderList } from "../http2/header_list.ts";
import { GrpcServer, type GrpcServerOptions } from "./server.ts";
import { Caller, message, turn } from "./testing/caller.ts";

function caller(handlers: Handlers, options?: GrpcServerOptions): Caller {
  const server = new GrpcServer(options);
  server.addService("echo.v1.Echo", handlers);
  return new Caller(server);
}

const ECHO: Handlers = {
  Unary: unary<Req, Res>(({ data = new Uint8Array() }) => ({ data })),
  Bidi: bidi<Req, Res>(async function* (requests) {
    for await (const { count = 0 } of requests) yield { index: count };
  }),
};

/** The context of a handler that waits for the end of its call. */
function waiting(): { readonly handlers: Handlers; readonly seen: Promise<CallContext> } {
  const seen = Promise.withResolvers<CallContext>();
  const wait = async (context: CallContext): Promise<Res> => {
    seen.resolve(context);
    if (!context.signal.aborted) await once(context.signal, "abort");
    throw context.signal.reason;
  };
  const handlers: Handlers = {
    Unary: unary<Req, Res>((_, context) => wait(context)),
    ClientStream: clientStream<Req, Res>(async (requests, context) => {
      seen.resolve(context);
      for await (const _ of requests);
      return {};
    }),
  };
  return { handlers, seen: seen.promise };
}

function reasonOf({ signal }: CallContext): RpcError {
  assert.ok(signal.aborted && signal.reason instanceof RpcError);
  return signal.reason;
}

async function gzip(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const packed = new Blob([data]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** A message with the flag of compression. */
function compressed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(5 + bytes.length);
  out[0] = 1;
  new DataView(out.buffer).setUint32(1, bytes.length);
  out.set(bytes, 5);
  return out;
}

Deno.test("GrpcServer answers what is no gRPC by HTTP, and what it does not have by UNIMPLEMENTED", async (t) => {
  const table: [what: string, fields: HeaderList, answer: RegExp][] = [
    ["GET", [[":method", "GET"]], /^headers 1 :status=405 allow=POST end$/],
    ["no content type of gRPC", [["content-type", "text/plain"]], /:status=415 .*end$/],
    ["gRPC-Web", [["content-type", "application/grpc-web"]], /:status=415/],
    ["JSON", [["content-type", "application/grpc+json"]], /:status=200 .*grpc-status=12/],
    [
      "a method that there is not",
      [[":path", "/echo.v1.Echo/Nope"]],
      /:status=200 .*grpc-status=12/,
    ],
    ["a service that there is not", [[":path", "/a.B/C"]], /grpc-status=12 .*\/a\.B\/C/],
    ["an unknown compression", [["grpc-encoding", "snappy"]], /grpc-status=12/],
  ];
  for (const [what, fields, answer] of table) {
    await t.step(what, async () => {
      await using peer = caller(ECHO);
      const stream = peer.call("Unary", fields);
      assert.match(await peer.ended(stream), answer);
      await peer.heard(/^reset 1 NO_ERROR peer$/);
      assert.deepEqual([...peer.served.calls], []);
    });
  }
});

Deno.test("GrpcServer tells who compresses by what it does not know what it may use", async () => {
  await using peer = caller(ECHO);
  peer.call("Unary", [["grpc-encoding", "snappy"]]);
  assert.match(
    await peer.heard(/^headers 1 .*accept/),
    /grpc-accept-encoding=identity,gzip,deflate/,
  );
});

Deno.test("GrpcServer takes exactly one request where a method has one", async (t) => {
  const table: [what: string, bytes: Uint8Array, answer: RegExp][] = [
    ["none", new Uint8Array(), /grpc-status=12 .*sent%20none|sent none/],
    ["two", Uint8Array.of(...message(), ...message()), /grpc-status=12 .*sent more/],
    ["half of one", message({ data: new Uint8Array(9) }).subarray(0, 9), /grpc-status=13 .*no end/],
    ["what is no message", Uint8Array.of(0, 0, 0, 0, 2, 0x0a, 9), /grpc-status=13 .*no echo/],
    ["a flag that there is not", Uint8Array.of(7, 0, 0, 0, 0), /grpc-status=13 .*flag 7/],
    ["an empty one", message(), /grpc-status=0 end$/],
  ];
  for (const [what, bytes, answer] of table) {
    await t.step(what, async () => {
      await using peer = caller(ECHO);
      assert.match(await peer.ask("Unary", bytes), answer);
    });
  }
});

Deno.test("GrpcServer refuses a request over the limit before it has come", async () => {
  await using peer = caller(ECHO, { maxMessageBytes: 1000 });
  const stream = peer.call("Unary");
  peer.send(stream, Uint8Array.of(0, 0, 0, 3, 233));
  assert.match(await peer.ended(stream), /grpc-status=8 .*1001 bytes/);
  assert.match(
    await peer.ask("Unary", message({ data: new Uint8Array(997) })),
    /grpc-status=0 end$/,
  );
});

Deno.test("GrpcServer unpacks gzip, and a bomb no further than the limit", async () => {
  await using peer = caller(ECHO, { maxMessageBytes: 100_000 });
  const fields: HeaderList = [["grpc-encoding", "gzip"]];
  const small = new Uint8Array(message({ data: new Uint8Array(90_000) }).slice(5));
  assert.match(
    await peer.ask("Unary", compressed(await gzip(small)), fields),
    /grpc-status=0 end$/,
  );
  const bomb = await gzip(new Uint8Array(16 << 20));
  assert.ok(bomb.length < 100_000);
  assert.match(await peer.ask("Unary", compressed(bomb), fields), /grpc-status=8 .*100000/);
  assert.match(await peer.ask("Unary", compressed(Uint8Array.of(1, 2)), fields), /grpc-status=13/);
  assert.match(await peer.ask("Unary", compressed(Uint8Array.of(1, 2))), /grpc-status=13/);
  assert.equal(peer.served.heldBytes, 0);
});

Deno.test("GrpcServer sends headers, trailers and details", async () => {
  const detail = errorInfo("R", "d");
  await using peer = caller({
    Unary: unary<Req, Res>((_, context) => {
      const headers = new CallMetadata();
      headers.add("x-first", "1");
      headers.add("x-first-bin", Uint8Array.of(1, 2));
      context.sendHeaders(headers);
      context.sendHeaders(headers);
      context.trailers.add("x-last", String(context.metadata.get("x-asked")[0]));
      context.trailers.add("grpc-status", "0");
      throw new RpcError(Status.NOT_FOUND, "é", { details: [detail] });
    }),
  });
  const end = await peer.ask("Unary", message(), [["x-asked", "yes"]]);
  assert.match(
    end,
    /grpc-status=5 grpc-message=%C3%A9 grpc-status-details-bin=\S+ x-last=yes end$/,
  );
  const [first] = peer.log.filter((line) => line.startsWith("headers 1"));
  assert.match(first!, /:status=200 .*x-first=1 x-first-bin=AQI=$/);
});

Deno.test("GrpcServer leaves out what a caller's header list cannot hold, but never the status", async () => {
  const long = new CallMetadata();
  long.add("x-long", "v".repeat(40 << 10));
  await using peer = caller({
    Unary: unary<Req, Res>((_, { trailers }) => {
      trailers.add("x-long", String(long.get("x-long")[0]));
      throw new RpcError(Status.NOT_FOUND, "no");
    }),
    ServerStream: serverStream<Req, Res>(async function* (_, context) {
      context.sendHeaders(long);
      yield await Promise.resolve({});
    }),
  });
  assert.match(await peer.ask("Unary", message()), /grpc-status=5 grpc-message=no end$/);
  assert.match(await peer.ask("ServerStream", message()), /grpc-status=8 .*caller takes 32768/);
});

Deno.test("GrpcServer ends a call at its deadline, and tells its handler", async () => {
  const { handlers, seen } = waiting();
  await using peer = caller(handlers);
  const end = peer.ask("Unary", message(), [["grpc-timeout", "50m"]]);
  assert.match(await end, /grpc-status=4/);
  const context = await seen;
  assert.ok(context.deadlineMs! - Date.now() <= 50);
  assert.equal(reasonOf(context).code, Status.DEADLINE_EXCEEDED);
});

Deno.test("GrpcServer drops at the deadline what its caller has not read", async () => {
  const big = new Uint8Array(300_000);
  await using peer = caller({
    ServerStream: serverStream<Req, Res>(async function* () {
      for (;;) yield await Promise.resolve({ data: big });
    }),
  });
  peer.recorder.consumes = false;
  const stream = peer.call("ServerStream", [["grpc-timeout", "200m"]]);
  peer.send(stream, message(), true);
  await peer.heard(/^data 1/);
  assert.ok(peer.served.heldBytes > 200_000);
  assert.equal(await peer.ended(stream), "reset 1 CANCEL peer");
  assert.equal(peer.served.heldBytes, 0);
  assert.deepEqual([...peer.served.calls], []);
});

Deno.test("GrpcServer tells a handler that its caller has cancelled, or is lost", async (t) => {
  for (
    const [how, leave] of Object.entries({
      cancelled: (peer: Caller) => peer.reset(peer.recorder.streams.get(1)!, 8),
      lost: (peer: Caller) => peer.served.close(),
    })
  ) {
    for (const method of ["Unary", "ClientStream"]) {
      await t.step(`${method}, ${how}`, async () => {
        const { handlers, seen } = waiting();
        await using peer = caller(handlers);
        peer.send(peer.call(method), message(), method === "Unary");
        const context = await seen;
        leave(peer);
        assert.equal(reasonOf(context).code, Status.CANCELLED);
        assert.deepEqual([...peer.served.calls], []);
      });
    }
  }
});

Deno.test("GrpcServer stops a caller who sends on when its call has ended", async () => {
  await using peer = caller({
    ClientStream: clientStream<Req, Res>(async (requests) => {
      for await (const { count = 0 } of requests) return { received: count };
      return {};
    }),
  });
  const stream = peer.call("ClientStream");
  peer.send(stream, message({ count: 7 }));
  assert.match(await peer.ended(stream), /grpc-status=0/);
  await peer.heard(/^reset 1 NO_ERROR peer$/);
  assert.deepEqual([...peer.served.calls], []);
});

Deno.test("GrpcServer asks a handler for no more than its caller takes", async () => {
  let made = 0;
  const data = new Uint8Array(16 << 10);
  await using peer = caller({
    ServerStream: serverStream<Req, Res>(async function* () {
      for (; made < 100; made++) yield await Promise.resolve({ data });
    }),
  });
  peer.recorder.consumes = false;
  const stream = peer.call("ServerStream");
  peer.send(stream, message(), true);
  let before = -1;
  while (before !== made) {
    before = made;
    for (let i = 0; i < 20; i++) await turn();
  }
  // A window, what may wait, and one message more.
  assert.ok(made >= 4 && made <= 10, `${made} messages of 16 KiB`);
  assert.ok(peer.served.heldBytes <= (64 + 16 + 1) << 10);
  peer.recorder.consumes = true;
  peer.recorder.connection.grant(stream, 1 << 20);
  peer.recorder.connection.consumed(1 << 20);
  peer.move();
  assert.match(await peer.ended(stream), /grpc-status=0/);
  assert.equal(made, 100);
});

Deno.test("GrpcServer reads no more requests than a handler asks for", async () => {
  const { handlers } = waiting();
  await using peer = caller({
    Bidi: bidi<Req, Res>(async function* (requests, { signal }) {
      await requests[Symbol.asyncIterator]().next();
      yield {};
      await once(signal, "abort");
    }),
    ...handlers,
  });
  const stream = peer.call("Bidi");
  for (let i = 0; i < 100; i++) peer.send(stream, message({ data: new Uint8Array(16 << 10) }));
  await peer.heard(/^data 1/);
  for (let i = 0; i < 20; i++) await turn();
  assert.ok(stream.queuedBytes > 1 << 20, "the caller keeps the rest");
  assert.ok(peer.served.heldBytes <= 65 << 10, `${peer.served.heldBytes}`);
  peer.reset(stream, 8);
  assert.equal(peer.served.heldBytes, 0);
});

Deno.test("GrpcServer answers PING, whatever its handlers do", async () => {
  await using peer = caller(waiting().handlers);
  peer.send(peer.call("Unary"), message(), true);
  peer.recorder.connection.ping();
  peer.move();
  await peer.heard(/^pong$/);
});

Deno.test("GrpcServer serves only what there is", () => {
  const server = new GrpcServer();
  const Nope = unary<Req, Res>(() => ({}));
  assert.throws(() => server.addService("echo.v1.Echo", { Nope }), /no such method/);
});
