import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { duplexPair } from "node:stream";
import {
  CONNECTION_WINDOW_BYTES,
  createGrpcServer,
  MAX_CONCURRENT_STREAMS,
  STREAM_WINDOW_BYTES,
} from "./grpc_server.ts";
import { tunnelOrigin } from "./origin.ts";

Deno.test("createGrpcServer() sets the windows that grpc-js has no option for", async () => {
  using grpc = createGrpcServer();
  const [near, far] = duplexPair();
  grpc.inject(near, tunnelOrigin(undefined));
  const client = http2.connect("http://x", {
    createConnection: () => far,
  } as http2.ClientSessionOptions);
  client.on("error", () => {});
  const [settings] = await once(client, "remoteSettings");
  assert.equal(settings.initialWindowSize, STREAM_WINDOW_BYTES);
  assert.equal(settings.maxConcurrentStreams, MAX_CONCURRENT_STREAMS);
  while (client.state.remoteWindowSize !== CONNECTION_WINDOW_BYTES) {
    await once(far, "data"); // the WINDOW_UPDATE is on its way
  }
  client.destroy();
});

Deno.test("createGrpcServer().inject() ends the session with its stream", async () => {
  using grpc = createGrpcServer();
  const [near] = duplexPair();
  near.on("error", () => {});
  const session = grpc.inject(near, tunnelOrigin(undefined));
  const closed = once(session, "close");
  near.destroy();
  await closed;
  assert.ok(session.destroyed);
});
