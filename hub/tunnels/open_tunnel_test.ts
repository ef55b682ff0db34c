/**
 * A tunnel on a socket that a test holds: WebSocket outside, HTTP/2 inside, and how it ends.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { sealFrame } from "../../shared/websocket/frames.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { MAX_TUNNEL_STALL_S, MAX_UNSENT, OpenTunnel } from "./open_tunnel.ts";
import { ANSWER, CALL, trailers } from "../testing/relayed.ts";
import { FakeSocket, turns } from "../testing/socket.ts";
import { welcome } from "./welcome.ts";

const GREETING = Buffer.from("HTTP/1.1 101 Switching Protocols\r\n\r\n");
const HEAD = encodeHeaderList(CALL);

/** One masked frame of a WebSocket, as a server sends it (RFC 6455 §5.2), up to 125 bytes. */
function masked(opcode: number, payload: Uint8Array): Uint8Array {
  assert.ok(payload.length < 65_536);
  const length = payload.length < 126
    ? [0x80 | payload.length]
    : [0x80 | 126, payload.length >> 8, payload.length & 0xff];
  const key = [1, 2, 3, 4];
  const body = payload.map((byte, i) => byte ^ key[i % 4]!);
  return wire.join(Uint8Array.of(0x80 | opcode, ...length, ...key), body);
}

/** Frames that the hub sent: opcode and payload. */
function unsealed(bytes: Uint8Array): { opcode: number; payload: Buffer }[] {
  const all = Buffer.from(bytes);
  const found = [];
  for (let at = 0; at < all.length;) {
    const short = all[at + 1]!;
    const [head, length] = short < 126
      ? [2, short]
      : short === 126
      ? [4, all.readUInt16BE(at + 2)]
      : [10, Number(all.readBigUInt64BE(at + 2))];
    found.push({ opcode: all[at]! & 0xf, payload: all.subarray(at + head, at + head + length) });
    at += head + length;
  }
  return found;
}

/** A tunnel, and the server at its end. */
async function begin() {
  const socket = new FakeSocket();
  const info = {
    name: "edge-1",
    labels: {},
    instance: "",
    version: "",
    remoteAddress: "192.0.2.9:1",
  };
  const tunnel = new OpenTunnel(socket, { id: "t-1", info, generation: 1, greeting: GREETING });
  const server = new Recorder({ role: "server" });
  server.connection.start();
  tunnel.run(new Uint8Array());
  const seen: { opcode: number; payload: Buffer }[] = [];
  let read = 0;
  const settle = async () => {
    for (let moved = true; moved;) {
      const bytes = server.take();
      if (bytes.length > 0) socket.feed(masked(2, bytes));
      await turns();
      moved = bytes.length > 0 || socket.written.length > read;
      for (; read < socket.written.length; read++) {
        const written = socket.written[read]!;
        if (read === 0) continue; // The greeting.
        for (const frame of unsealed(written)) {
          seen.push(frame);
          if (frame.opcode === 2) server.connection.receive(frame.payload);
        }
      }
    }
  };
  await settle();
  const call = async (): Promise<Stream> => {
    const { connection } = tunnel.side;
    const stream = connection.request(HEAD, true, {
      onHeaders() {},
      onData() {},
      onReset() {},
      onCredit() {},
      onDrained() {},
    });
    await settle();
    return stream;
  };
  const answer = async (id: number) => {
    server.connection.headers(server.streams.get(id)!, ANSWER, false);
    server.connection.headers(server.streams.get(id)!, trailers(), true);
    await settle();
  };
  /** Resolves when the tunnel's socket is closed. */
  const gone = () => tunnel[Symbol.asyncDispose]();
  return { socket, tunnel, server, settle, call, answer, seen, gone };
}

Deno.test("OpenTunnel greets, then speaks HTTP/2 inside WebSocket", async () => {
  const { socket, tunnel, gone, server, seen, call } = await begin();
  assert.ok(socket.output.subarray(0, GREETING.length).equals(GREETING));
  assert.equal(seen[0]!.payload.subarray(0, 14).toString(), "PRI * HTTP/2.0");
  await call();
  assert.equal(server.streams.size, 1);
  assert.deepEqual([tunnel.state, tunnel.stats().callsInFlight], ["open", 1]);
  socket.feed(null);
  assert.deepEqual(await tunnel.closed, {
    reason: "The server closed the connection",
    by: "server",
  });
  await gone();
  await turns();
  assert.equal(socket.closed, true);
});

Deno.test("OpenTunnel answers pings, and measures its own", async () => {
  const { socket, tunnel, seen, settle, gone } = await begin();
  socket.feed(masked(9, wire.text("are you there")));
  await settle();
  assert.deepEqual(
    seen.filter(({ opcode }) => opcode === 10).map(({ payload }) => payload.toString()),
    ["are you there"],
  );
  assert.equal(tunnel.stats().rttMs, undefined);
  tunnel.ping();
  await settle();
  assert.equal(seen.filter(({ opcode }) => opcode === 9).length, 1);
  socket.feed(masked(10, new Uint8Array()));
  await settle();
  assert.ok(tunnel.stats().rttMs! >= 0);
  socket.feed(null);
  await gone();
});

Deno.test("OpenTunnel ends", async (t) => {
  const protocolError = (bytes: Uint8Array) => (socket: FakeSocket) => socket.feed(bytes);
  const rows: Readonly<
    Record<string, readonly [(socket: FakeSocket) => void, by: string, RegExp, code?: number]>
  > = {
    "when the server says goodbye": [
      (socket) => socket.feed(masked(8, wire.join(Uint8Array.of(3, 0xe9), wire.text("bye")))),
      "server",
      /closed the tunnel: bye/,
      1000,
    ],
    "when the network breaks": [
      (socket) => socket.fail(new Error("Connection reset by peer")),
      "network",
      /reset by peer/,
      1000,
    ],
    "at a text message": [
      protocolError(masked(1, wire.text("hello"))),
      "hub",
      /Text messages/,
      1003,
    ],
    "at a frame that is not masked": [
      protocolError(sealFrame(new Uint8Array(20), 10, 12)),
      "hub",
      /not masked/,
      1002,
    ],
    "at HTTP/2 that is none": [
      protocolError(masked(2, wire.data(0, "x"))),
      "hub",
      /DATA on stream 0/,
      1002,
    ],
    "at a stream of the server's own": [
      protocolError(masked(2, wire.headers(2, wire.RESPONSE))),
      "hub",
      /idle stream 2/,
      1002,
    ],
    "at a GOAWAY with an error": [
      protocolError(masked(2, wire.goaway(0, 11, "too_many_pings"))),
      "server",
      /ENHANCE_YOUR_CALM: too_many_pings/,
      1000,
    ],
  };
  for (const [name, [end, by, reason, code]] of Object.entries(rows)) {
    await t.step(name, async () => {
      const { socket, tunnel, gone, settle, seen, call } = await begin();
      await call();
      end(socket);
      await settle();
      const closed = await tunnel.closed;
      assert.equal(closed.by, by);
      assert.match(closed.reason, reason);
      assert.match(tunnel.lost!, reason);
      assert.equal(tunnel.stats().callsInFlight, 0);
      const goodbye = seen.find(({ opcode }) => opcode === 8);
      assert.equal(goodbye?.payload.readUInt16BE(0), code);
      if (!socket.closed) socket.feed(null);
      await gone();
      await turns();
      assert.equal(socket.closed, true);
    });
  }
});

Deno.test("OpenTunnel.drain()", async (t) => {
  await t.step("without calls, at once", async () => {
    const { tunnel, socket, gone, settle, server } = await begin();
    const drained = tunnel.drain();
    await settle();
    socket.feed(null);
    await Promise.all([drained, gone()]);
    assert.ok(server.log.some((line) => line.startsWith("goaway")));
    assert.equal(tunnel.state, "closed");
  });
  await t.step("when the calls in flight have ended, for all who wait", async () => {
    const { tunnel, socket, gone, call, answer } = await begin();
    await call();
    let drained = 0;
    const all = [tunnel.drain(), tunnel.drain()].map((promise) => promise.then(() => drained++));
    tunnel.tick();
    await turns();
    assert.deepEqual([tunnel.state, drained, tunnel.side.connection.canRequest], [
      "draining",
      0,
      true,
    ]);
    await answer(1);
    tunnel.tick();
    await Promise.all(all);
    assert.equal(drained, 2);
    socket.feed(null);
    await gone();
    assert.equal((await tunnel.closed).reason, "The hub drained the tunnel");
  });
  await t.step("when its time is over", async () => {
    const { tunnel, socket, gone, call } = await begin();
    await call();
    const stop = new AbortController();
    const drained = tunnel.drain({ signal: stop.signal });
    stop.abort();
    await drained;
    assert.equal(tunnel.state, "closed");
    socket.feed(null);
    await gone();
  });
});

Deno.test("OpenTunnel that its server leaves closes when its calls have ended", async () => {
  const { tunnel, socket, gone, call, answer, settle } = await begin();
  await call();
  socket.feed(masked(2, wire.goaway(2 ** 31 - 1, 0)));
  await settle();
  tunnel.tick();
  assert.deepEqual([tunnel.state, tunnel.side.connection.canRequest], ["draining", false]);
  await answer(1);
  tunnel.tick();
  assert.equal(tunnel.state, "closed");
  socket.feed(null);
  await gone();
});

Deno.test("OpenTunnel whose server does not read is closed", async () => {
  const { tunnel, socket, gone, settle } = await begin();
  socket.takes = 0;
  tunnel.ping();
  await settle();
  for (let s = 0; s < MAX_TUNNEL_STALL_S; s++) {
    assert.equal(tunnel.state, "open");
    socket.feed(masked(10, new Uint8Array())); // It is not silent.
    await turns();
    tunnel.tick();
  }
  assert.equal(tunnel.state, "closed");
  assert.match((await tunnel.closed).reason, /has read nothing/);
  await gone(); // Within the time for goodbyes.
  assert.equal(socket.closed, true);
});

Deno.test("OpenTunnel whose server reads a byte now and then is closed before it fills the hub", async () => {
  const { tunnel, socket, gone, settle, call } = await begin();
  const stream = await call();
  socket.takes = 0;
  tunnel.ping();
  await settle();
  const { connection } = tunnel.side;
  // As a server and an operator can make it who plan this together: one byte of DATA at a time.
  while (connection.outputBytes <= MAX_UNSENT) {
    assert.equal(tunnel.state, "open");
    for (let i = 0; i < 100_000; i++) connection.grant(stream, 1);
    socket.take(1);
    socket.takes = 0;
    await turns();
    if (connection.outputBytes <= MAX_UNSENT) tunnel.tick();
  }
  tunnel.tick();
  assert.equal(tunnel.state, "closed");
  assert.match((await tunnel.closed).reason, /does not read/);
  await gone();
});

Deno.test("OpenTunnel closed before it ran still says why", async () => {
  const socket = new FakeSocket();
  const info = {
    name: "edge-1",
    labels: {},
    instance: "",
    version: "",
    remoteAddress: "192.0.2.9:1",
  };
  const tunnel = new OpenTunnel(socket, { id: "t-1", info, generation: 1, greeting: GREETING });
  tunnel.close({ reason: "Displaced", by: "hub" });
  tunnel.close({ reason: "Again", by: "hub" });
  tunnel.run(new Uint8Array());
  await turns();
  const [goodbye] = unsealed(socket.output.subarray(GREETING.length)).slice(-1);
  assert.equal(goodbye!.payload.subarray(2).toString(), "Displaced");
  assert.equal((await tunnel.closed).reason, "Displaced");
  await tunnel[Symbol.asyncDispose]();
  assert.equal(socket.closed, true);
});

Deno.test("OpenTunnel does not wait for the answer to Welcome when it drains", async (t) => {
  for (const by of ["hub", "server"] as const) {
    await t.step(`because the ${by} goes away`, async () => {
      const { tunnel, server, socket, gone, settle } = await begin();
      const welcomed = welcome(tunnel, { hubId: "h" });
      await settle();
      assert.equal(tunnel.stats().callsInFlight, 1);
      if (by === "hub") await tunnel.drain();
      else {
        socket.feed(masked(2, wire.goaway(2 ** 31 - 1, 0)));
        await settle();
        tunnel.tick();
      }
      await settle();
      assert.equal(tunnel.state, "closed");
      assert.equal(tunnel.ownCall, undefined);
      if (by === "hub") assert.ok(server.log.includes("reset 1 CANCEL peer"), server.log.join());
      await welcomed;
      socket.feed(null);
      await gone();
    });
  }
});

Deno.test("welcome() asks once, and gives up a server that does not answer", async () => {
  const { tunnel, server, socket, gone, settle } = await begin();
  const welcomed = welcome(tunnel, { hubId: "h" }, { timeoutMs: 99 });
  await settle();
  assert.match(server.log[0]!, /^open 1 .*\/ghub\.v1\.Tunnel\/Welcome .*grpc-timeout=/);
  assert.equal(tunnel.stats().callsInFlight, 1);
  await welcomed;
  assert.equal(tunnel.stats().callsInFlight, 0);
  await settle();
  assert.ok(server.log.includes(`reset 1 CANCEL peer`));
  assert.equal(server.error?.code, undefined, String(ErrorCode.NO_ERROR));
  socket.feed(null);
  await gone();
});
