import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { duplexPair } from "node:stream";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
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

Deno.test("createGrpcServer() answers who its origin refuses, and minds nobody who has gone", async () => {
  using grpc = createGrpcServer();
  const [near, far] = duplexPair();
  grpc.inject(near, {
    enter(stream, headers) {
      if (headers[":path"] === "/gone") stream.destroy();
      return new RpcError(Status.PERMISSION_DENIED, "Not you");
    },
  });
  const client = http2.connect("http://x", {
    createConnection: () => far,
  } as http2.ClientSessionOptions);
  client.on("error", () => {});
  const open = (path: string) =>
    client.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
  const gone = open("/gone");
  gone.on("error", () => {});
  await new Promise((resolve) => gone.once("close", resolve));
  const call = open("/no.Such/Method");
  const [headers] = await once(call, "response");
  assert.equal(headers["grpc-status"], "7");
  assert.equal(headers["grpc-message"], "Not you");
  client.destroy();
});
