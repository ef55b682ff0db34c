import { Buffer } from "node:buffer";
import { once } from "node:events";
import http2 from "node:http2";
import assert from "node:assert/strict";
import { Status } from "../../shared/grpc/status.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { until } from "../../tests/support/until.ts";
import { startHub } from "../hub.ts";
import { MAX_OWN_REQUEST_BYTES } from "./hub_service.ts";
import { dialTcp } from "../testing/dialled.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };
const CALLS = 300;

function prefix(length: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

function open(session: http2.ClientHttp2Session): http2.ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": "/ghub.v1.Hub/WhoAmI",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  return stream;
}

Deno.test("B4: 300 unfinished messages of 4 MB to the hub's own services hold less than 64 MiB", async () => {
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  const session = http2.connect(`http://${hub.callAddress}`);
  session.on("error", () => {});
  try {
    const before = Deno.memoryUsage().rss;
    // More than a stream's first window.
    const block = Buffer.alloc(128 << 10);
    const ends = Array.from({ length: CALLS }, async () => {
      const call = open(session);
      const answered = once(call, "response");
      call.write(prefix(4_000_000));
      call.write(block);
      const [headers] = await answered;
      call.close();
      return headers["grpc-status"];
    });
    for (const status of await Promise.all(ends)) {
      assert.equal(status, String(Status.RESOURCE_EXHAUSTED));
    }
    assert.ok(hub.usage().bufferedBytes < 64 << 20);
    // The client's own queues, in this very process, take up to 38 MiB of it.
    const grown = Deno.memoryUsage().rss - before;
    assert.ok(grown < 256 << 20, `${grown >> 20} MiB`);
  } finally {
    session.destroy();
    hub.close();
    await hub.closed;
  }
});

Deno.test("B4: what the hub's own services hold is in its memory account", async () => {
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  const session = http2.connect(`http://${hub.callAddress}`);
  session.on("error", () => {});
  try {
    const calls = Array.from({ length: 50 }, () => {
      const call = open(session);
      call.write(prefix(MAX_OWN_REQUEST_BYTES));
      call.write(Buffer.alloc(MAX_OWN_REQUEST_BYTES - 1));
      return call;
    });
    const held = 50 * (5 + MAX_OWN_REQUEST_BYTES - 1);
    await until("the account to know of them", () => hub.usage().bufferedBytes >= held);
    for (const call of calls) call.close(http2.constants.NGHTTP2_CANCEL);
    await until("all to be given back", () => hub.usage().bufferedBytes < held);
  } finally {
    session.destroy();
    hub.close();
    await hub.closed;
  }
});

Deno.test("B4: header sections that do not end are in the memory account, and end by themselves", async () => {
  const hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  try {
    const socket = await dialTcp(hub.callAddress);
    const gone = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    const fragment = new Uint8Array(16_000);
    socket.write(wire.PREFACE);
    socket.write(wire.frame(wire.Type.SETTINGS, 0, 0, new Uint8Array()));
    socket.write(wire.frame(wire.Type.HEADERS, 0, 1, fragment));
    socket.write(wire.frame(wire.Type.CONTINUATION, 0, 1, fragment));
    await until("the account to know of them", () => hub.usage().bufferedBytes >= 32_000);
    await gone;
    await until("all to be given back", () => hub.usage().bufferedBytes < 32_000);
  } finally {
    hub.close();
    await hub.closed;
  }
});
