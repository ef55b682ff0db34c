/**
 * A call through two hubs, as its caller and its server see it: everything that can go wrong between
 * the hubs is here, the call suite runs over the same way in tests/.
 */
import assert from "node:assert/strict";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { dialCalls, type Dialled, dialTunnel } from "../testing/dialled.ts";
import { LinkedHubs } from "../testing/linked_hubs.ts";
import { ANSWER, CALL, trailers } from "../testing/relayed.ts";

const TO_EDGE = encodeHeaderList([...CALL, ["x-hub-server", "edge-1"], ["x-hub-wait", "20s"]]);

/** Two hubs, a server at the second, and a caller at the first. */
async function begin() {
  await using stack = new AsyncDisposableStack();
  const hubs = stack.use(await LinkedHubs.start({ a: {}, b: {} }));
  const server = stack.use(await dialTunnel(hubs.of("b").hub.tunnelAddress, "edge-1"));
  const caller = stack.use(await dialCalls(hubs.of("a").hub.callAddress));
  const all = stack.move();
  return { hubs, server, caller, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** The stream on which the server got a call. */
async function arrived(server: Dialled, pattern = /^open \d+ .*Echo/) {
  const line = await server.heard(pattern);
  return { line, stream: server.recorder.streams.get(Number(line.split(" ")[1]))! };
}

Deno.test("a call goes to a server at another hub, and its answer comes back", async () => {
  await using world = await begin();
  const { hubs, server, caller } = world;
  hubs.put("edge-1", "b");
  caller.recorder.request(TO_EDGE);
  caller.flush();
  const { line, stream } = await arrived(server);
  assert.match(line, /x-hub-operator=loopback/);
  assert.doesNotMatch(line, /x-hub-peer|x-hub-wait/);
  server.recorder.connection.headers(stream, ANSWER, false);
  server.recorder.connection.headers(stream, trailers(["x-own", "1"]), true);
  server.flush();
  const end = await caller.heard(/grpc-status/);
  assert.match(end, /grpc-status=0/);
  assert.match(end, /x-hub-hop=server/);
  assert.match(end, /x-hub-forwarded=1/);
});
