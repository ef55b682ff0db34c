/**
 * Row 23, version skew, over real sockets: a newer peer says more than we know, in each place where
 * it can: headers of the upgrade, metadata, fields of Welcome and of its answer, keys of the JSON
 * handshake and of its answer. All of it is passed over, and what we know still counts.
 */
import {
  Metadata,
  type Metadata as CallMetadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net from "node:net";
import { frame, resultOf, TestHub } from "../../server/testing/hub.ts";
import { createWebSocketStream, WebSocket } from "../../shared/websocket/ws.ts";
import { ok } from "../call_suite/expect.ts";
import { EchoClient } from "../support/echo_client.ts";
import { listed } from "../support/facts.ts";
import { startGserver } from "../support/lone_gserver.ts";
import { shakeHands } from "../support/raw_path.ts";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

/** Fields 1000 to 1003, of each wire type (varint, 64 bits, bytes, 32 bits). */
const UNKNOWN_FIELDS = Buffer.concat([
  Buffer.from([0xc0, 0x3e, 0x96, 0x01]),
  Buffer.from([0xc9, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8]),
  Buffer.from([0xd2, 0x3e, 5, ...Buffer.from("later")]),
  Buffer.from([0xdd, 0x3e, 1, 2, 3, 4]),
]);

/** A gRPC message with more fields. */
function lengthened(framed: Buffer): Buffer {
  const whole = Buffer.concat([framed, UNKNOWN_FIELDS]);
  whole.writeUInt32BE(whole.length - 5, 1);
  return whole;
}

Deno.test("row 23, a newer hub: gserver passes over what it does not know", async () => {
  await using hub = await TestHub.start({
    headers: () => ({ "X-Hub-Later": "1", "X-Hub-Features": "a;b=2" }),
  });
  await using started = await startGserver(hub, ["--ping-interval", "60s", "--dead-after", "300s"]);
  const { tunnel } = started;
  const welcome = ["ghub.v1.Tunnel", "Welcome"] as const;
  const stream = tunnel.open(`/${welcome.join("/")}`, {
    "x-hub-later": "2",
    "x-hub-later-bin": "AAEC",
    "x-hub-features": "everything",
  });
  const pinged = once(tunnel.socket, "ping");
  const request = { hubId: "later", pingInterval: { nanos: 100_000_000 } };
  stream.end(lengthened(frame(...welcome, request)));
  const { status, message } = await resultOf(stream, ...welcome);
  assert.equal(status, 0, message);
  await pinged; // It took over the one number that it knows.
  const health = await tunnel.call("grpc.health.v1.Health", "Check", {}, { "x-hub-later": "3" });
  assert.deepEqual([health.status, health.responses], [0, [{ status: "SERVING" }]]);
});

Deno.test("row 23, a newer server: ghub passes over what it does not know, or passes it on", async () => {
  await using world = await World.start({ servers: [] });
  const bytes = (value: Buffer) => value;
  const method = (path: string) => ({
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  });
  const seen: string[] = [];
  const server = new Server();
  const answer = (
    call: ServerUnaryCall<Buffer, Buffer>,
    done: (error: null, value: Buffer, trailers: CallMetadata) => void,
  ) => {
    seen.push(call.getPath());
    const later = new Metadata();
    later.set("x-hub-later", "1");
    call.sendMetadata(later);
    done(null, UNKNOWN_FIELDS, later);
  };
  server.addService({
    Welcome: method("/ghub.v1.Tunnel/Welcome"),
    Unary: method("/echo.v1.Echo/Unary"),
  }, { Welcome: answer, Unary: answer });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const socket = new WebSocket(world.tunnelUri, {
    headers: { "x-hub-meta-name": "later", "x-hub-meta-revision": "9", "x-hub-features": "a,b" },
    perMessageDeflate: false,
  });
  injector.injectConnection(createWebSocketStream(socket));
  await once(socket, "open");
  await until("Welcome to be answered, and over", async () => {
    return seen.includes("/ghub.v1.Tunnel/Welcome") &&
      ((await listed(world, "later"))?.callsInFlight ?? 0) === 0;
  });
  {
    using client = new EchoClient(world.callAddress);
    const outcome = ok(
      await client.unary({}, { metadata: { "x-hub-server": "later", "x-hub-later": "1" } }),
    );
    assert.deepEqual(outcome.headers.get("x-hub-later"), ["1"]);
    assert.deepEqual(outcome.trailers.get("x-hub-later"), ["1"]);
  }
  assert.equal((await listed(world, "later"))?.state, "ONLINE");
  assert.doesNotMatch(world.hub.stderr, /Welcome|ERROR/);
  const closed = once(socket, "close");
  socket.terminate();
  await closed;
  injector.destroy();
  server.forceShutdown();
});

Deno.test("row 23, newer JSON handshakes: unknown keys of the request and of its answer", async () => {
  await using world = await World.start();
  const later = { later: { deep: [1, null, "é"] }, features: ["a"], versionMinor: 7 };
  const { socket, answer } = await shakeHands(world.callAddress, { server: "edge-1", ...later });
  assert.equal(answer.ok, true);
  socket.destroy();

  // A hub whose answers have more keys than gclient knows.
  const { hostname, port } = new URL(`tcp://${world.callAddress}`);
  const newer = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    for (const end of [near, far]) end.on("error", () => {});
    near.pipe(far);
    let said = Buffer.alloc(0);
    far.on("data", function first(chunk: Buffer) {
      said = Buffer.concat([said, chunk]);
      if (!said.includes("\n")) return;
      far.off("data", first);
      // Bytes of the server's HTTP/2 may stand behind the answer already.
      near.write(Buffer.from(`{${JSON.stringify(later).slice(1, -1)},`));
      near.write(said.subarray(said.indexOf("{") + 1));
      far.pipe(near);
    });
    near.once("close", () => far.destroy());
  });
  newer.listen(0, "127.0.0.1");
  await once(newer, "listening");
  try {
    const address = `127.0.0.1:${(newer.address() as net.AddressInfo).port}`;
    const args = ["call", "grpc.health.v1.Health/Check", "edge-1", "--raw", "-n", "-s", address];
    const { code, stdout, stderr } = await world.gclient(args);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /SERVING/);
  } finally {
    const closed = once(newer, "close");
    newer.close();
    await closed;
  }
});
