import assert from "node:assert/strict";
import { once } from "node:events";
import { unary } from "../../shared/grpc/handlers.ts";
import { prefixMessage } from "../../shared/grpc/message_prefix.ts";
import { GrpcServer } from "../../shared/grpc_server/server.ts";
import { FLOOD_LIMITS } from "../../shared/http2/flood_guard.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";
import { CALL } from "../testing/relayed.ts";
import { InProcessTarget } from "./in_process_target.ts";

const HEAD = encodeHeaderList(
  CALL.map(([name, value]) => name === ":path" ? [name, "/echo.v1.Echo/Unary"] : [name, value]),
);

/** An upstream with a call in flight, whose handler waits for its end. */
async function begin() {
  const server = new GrpcServer();
  const started = Promise.withResolvers<AbortSignal>();
  server.addService("echo.v1.Echo", {
    Unary: unary(async (_, { signal }) => {
      started.resolve(signal);
      if (!signal.aborted) await once(signal, "abort");
      return {};
    }),
  });
  const upstream = new InProcessTarget(server);
  const call = new Recorder({ role: "client" });
  const { connection } = upstream.side;
  const stream = connection.request(HEAD, false, call);
  connection.data(stream, prefixMessage(new Uint8Array()), true);
  return { upstream, call, server, signal: await started.promise };
}

Deno.test("InProcessTarget that is closed ends its calls, at both ends", async () => {
  const { upstream, call, server, signal } = await begin();
  upstream.close();
  assert.match(upstream.lost!, /closed the connection/);
  assert.deepEqual(call.log, ["reset 1 CANCEL us"]);
  assert.equal(signal.aborted, true);
  assert.equal(server.connections.size, 0);
  upstream.close();
});

Deno.test("InProcessTarget that breaks HTTP/2 is lost, and so are its calls", async () => {
  const { upstream, call, signal } = await begin();
  const { connection } = upstream.side;
  // Not by `resets`, which would pace them.
  for (let i = 0; i <= FLOOD_LIMITS.rapidReset; i++) {
    connection.reset(connection.request(HEAD, false, call), 8);
  }
  while (upstream.lost === undefined) await new Promise((done) => setTimeout(done, 1));
  assert.equal(upstream.isLeaving, true);
  assert.equal(signal.aborted, true);
  assert.ok(call.log.includes("reset 1 CANCEL us"));
});

Deno.test("InProcessTarget whose stream ids are nearly used up takes no more calls", async () => {
  const { upstream, call } = await begin();
  upstream.tick();
  assert.equal(upstream.isLeaving, false);
  // A billion calls later.
  Object.defineProperty(upstream.side.connection, "isWornOut", { value: true });
  upstream.tick();
  assert.equal(upstream.isLeaving, true);
  assert.equal(upstream.lost, undefined, "calls in flight go on");
  assert.equal(upstream.isBusy, true, "so it is still looked after");
  assert.deepEqual(call.log, []);
  upstream.close();
  assert.equal(upstream.isBusy, false);
});
