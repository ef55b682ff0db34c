import { Buffer } from "node:buffer";
import { once } from "node:events";
import http2 from "node:http2";
import assert from "node:assert/strict";
import { duplexPair } from "../../shared/bytes/testing/duplex_pair.ts";
import { peerHost } from "../../shared/grpc_js/implementation.ts";
import { addHealth } from "../../shared/grpc/health.ts";
import { Status } from "../../shared/grpc/status.ts";
import { until } from "../../tests/support/until.ts";
import { createGrpcServer } from "./grpc_server.ts";
import { tunnelOrigin } from "./origin.ts";
import {
  MAX_UNFINISHED_BYTES,
  SMALL_COMPRESSED_BYTES,
  SMALL_REQUEST_BYTES,
} from "./request_limits.ts";

const HEALTH = "grpc.health.v1.Health";

/** A server whose health service takes small requests, and a client of it. */
function start() {
  const server = createGrpcServer();
  addHealth(peerHost(server.grpc));
  server.limits.set(HEALTH, SMALL_REQUEST_BYTES);
  const [near, far] = duplexPair();
  server.inject(near, tunnelOrigin(undefined));
  const session = http2.connect("http://x", {
    createConnection: () => far,
  } as http2.ClientSessionOptions);
  session.on("error", () => {});
  const open = () => {
    const stream = session.request({
      ":method": "POST",
      ":path": `/${HEALTH}/Check`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    return stream;
  };
  return {
    server,
    open,
    [Symbol.dispose]() {
      session.destroy();
      server[Symbol.dispose]();
    },
  };
}

function prefix(length: number, compressed = 0): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = compressed;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

Deno.test("B4: a request that is too large for its service is refused by its prefix", async (t) => {
  using world = start();
  const table: [what: string, prefix: Buffer][] = [
    ["4 MiB", prefix(4 << 20)],
    ["one byte too many", prefix(SMALL_REQUEST_BYTES + 1)],
    ["4 GiB", prefix(0xffff_ffff)],
    ["compressed", prefix(SMALL_COMPRESSED_BYTES + 1, 1)],
  ];
  for (const [what, first] of table) {
    await t.step(what, async () => {
      const call = world.open();
      call.write(first);
      const [headers] = await once(call, "response");
      assert.equal(headers["grpc-status"], String(Status.RESOURCE_EXHAUSTED));
      assert.match(headers["grpc-message"], /is larger than the \d+ that this service takes/);
      call.close();
    });
  }
  await t.step("an ordinary one is answered, in pieces of any size", async () => {
    for (const step of [1, 3, 100]) {
      const call = world.open();
      const bytes = prefix(0);
      for (let at = 0; at < bytes.length; at += step) call.write(bytes.subarray(at, at + step));
      call.end();
      const [body] = await once(call, "data");
      assert.deepEqual([...body], [0, 0, 0, 0, 2, 8, 1]);
    }
  });
});

Deno.test("B4: requests that never end hold a bounded sum, and give it back", async () => {
  using world = start();
  const { limits } = world.server;
  const refused: unknown[] = [];
  const calls = Array.from({ length: 300 }, () => {
    const call = world.open();
    call.once("response", (headers) => refused.push(headers["grpc-status"]));
    // All but the last byte: nobody can answer it.
    call.write(Buffer.concat([prefix(SMALL_REQUEST_BYTES), Buffer.alloc(SMALL_REQUEST_BYTES - 1)]));
    return call;
  });
  const fitting = Math.floor(MAX_UNFINISHED_BYTES / SMALL_REQUEST_BYTES);
  await until("those beyond to be refused", () => refused.length >= calls.length - fitting - 1);
  assert.ok(refused.every((status) => status === String(Status.RESOURCE_EXHAUSTED)));
  assert.ok(limits.unfinishedBytes <= MAX_UNFINISHED_BYTES);
  for (const call of calls) call.close(http2.constants.NGHTTP2_CANCEL);
  await until("all to be given back", () => limits.unfinishedBytes === 0);
});
