/**
 * How a hub ends, with everything that may be going on at the time. The sanitizers find what it
 * leaves behind.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type net from "node:net";
import tls from "node:tls";
import { encodeHeaderList } from "../shared/http2/hpack/encoder.ts";
import * as wire from "../shared/http2/testing/wire.ts";
import { generateCertificate } from "../shared/tls/generate.ts";
import { until } from "../tests/support/until.ts";
import { startHub } from "./hub.ts";
import { dialCalls, dialTcp, dialTunnel } from "./testing/dialled.ts";
import { ANSWER, CALL, trailers } from "./testing/relayed.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };

function start() {
  return startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
}

/** Resolves when the other end has closed. */
function closed(socket: { once(event: "close", listener: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

const TO_EDGE = encodeHeaderList([...CALL, ["x-hub-server", "edge-1"], ["grpc-timeout", "1H"]]);

Deno.test("Hub.close() ends everything, at whatever stage it is", async () => {
  const hub = await start();
  const server = await dialTunnel(hub.tunnelAddress, "edge-1");
  const caller = await dialCalls(hub.callAddress);
  for (let i = 0; i < 3; i++) caller.recorder.request(TO_EDGE);
  // One that waits for a server that never comes.
  caller.recorder.request(
    encodeHeaderList([...CALL, ["x-hub-server", "edge-9"], ["x-hub-wait", "1h"]]),
  );
  caller.flush();
  await server.heard(/^open 7 /);
  // Listened to from the start: on a slow machine a handshake's time may be over before the hub is.
  const ends: Promise<void>[] = [];
  const dial = async (address: string) => {
    const socket = await dialTcp(address);
    ends.push(closed(socket));
    return socket;
  };
  // One at each stage: silent, half a handshake, a handshake that the server has not answered.
  const silent = await dial(hub.callAddress);
  const silentServer = await dial(hub.tunnelAddress.replace("ws:", "http:"));
  const half = await dial(hub.callAddress);
  half.write('{"version":1,"server":');
  const raw = await dial(hub.callAddress);
  raw.write('{"version":1,"server":"edge-1"}\n');
  await server.heard(/Tunnel\/Connect/);
  const joined = await dial(hub.callAddress);
  joined.write('{"version":1,"server":"edge-1"}\nfirst bytes');
  const line = await server.heard(/^open 11 .*Tunnel\/Connect/);
  const { connection, streams } = server.recorder;
  connection.headers(streams.get(Number(line.split(" ")[1]))!, ANSWER, false);
  server.flush();
  const [answer] = await once(joined, "data");
  assert.match(String(answer), /"ok":true/);

  for (const socket of [silent, silentServer, half, raw, joined]) socket.resume();
  hub.close();
  hub.close();
  await Promise.all([...ends, server.ended, caller.ended, hub.closed]);
});

Deno.test("Hub.drain() lets calls in flight end, and takes nothing new", async () => {
  const hub = await start();
  await using server = await dialTunnel(hub.tunnelAddress, "edge-1");
  await using caller = await dialCalls(hub.callAddress);
  caller.recorder.request(TO_EDGE);
  caller.flush();
  const line = await server.heard(/^open \d+ .*echo/);
  let drained = false;
  const draining = hub.drain().then(() => drained = true);
  await Promise.all([caller.heard(/^goaway 1 NO_ERROR/), server.heard(/^goaway/)]);

  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: portOf(hub.callAddress) }));
  const refused = await fetch(hub.tunnelAddress.replace("ws:", "http:"), {
    headers: { "X-Hub-Meta-Name": "edge-2" },
  });
  await refused.body?.cancel();
  assert.notEqual(refused.status, 101);
  caller.recorder.request(TO_EDGE);
  caller.flush();
  await caller.heard(/^reset 3 REFUSED_STREAM peer/);
  assert.equal(drained, false);

  const { connection, streams } = server.recorder;
  const stream = streams.get(Number(line.split(" ")[1]))!;
  connection.headers(stream, ANSWER, false);
  connection.data(stream, wire.text("the whole answer"), false);
  connection.headers(stream, trailers(), true);
  server.flush();
  await caller.heard(/^headers 1 grpc-status=0 .*end/);
  await draining;
});

Deno.test("Hub.drain() tells each caller which calls were never looked at, before it closes", async () => {
  const hub = await start();
  const caller = await dialTcp(hub.callAddress);
  caller.write(wire.join(wire.PREFACE, wire.settings()));
  const heard: Uint8Array[] = [];
  const settled = Promise.withResolvers<void>();
  caller.on("data", (bytes) => {
    heard.push(bytes as Uint8Array);
    settled.resolve();
  });
  await settled.promise;
  // It answers no ping, and closes its half only when the hub has.
  const ended = once(caller, "end");
  await hub.drain();
  await ended;
  const lines = wire.frames(wire.join(...heard)).filter(({ type }) => type === wire.Type.GOAWAY);
  assert.deepEqual(lines.map(({ payload }) => wire.number(payload)), [0x7fffffff, 0]);
});

/** A call, as a caller sends it that has just dialled. */
const FIRST_CALL = wire.join(
  wire.PREFACE,
  wire.settings(),
  wire.frame(wire.Type.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, TO_EDGE),
);

/** The last stream of each GOAWAY that comes, until the other end has closed. */
async function linesDrawn(socket: net.Socket): Promise<number[]> {
  const heard: Uint8Array[] = [];
  socket.on("data", (bytes) => heard.push(new Uint8Array(bytes as Uint8Array)));
  await once(socket, "end");
  socket.end();
  return wire.frames(wire.join(...heard)).filter(({ type }) => type === wire.Type.GOAWAY)
    .map(({ payload }) => wire.number(payload));
}

Deno.test("Hub.drain() tells callers that have just dialled that nobody looks at their calls", async (t) => {
  await t.step("one that has sent nothing", async () => {
    const hub = await start();
    await using server = await dialTunnel(hub.tunnelAddress, "edge-1");
    const silent = await dialTcp(hub.callAddress);
    const caller = await dialTcp(hub.callAddress);
    const drawn = linesDrawn(caller);
    // The hub has taken both: they came before this one.
    await using last = await dialCalls(hub.callAddress);
    const draining = hub.drain();
    caller.write(FIRST_CALL);
    assert.deepEqual(await drawn, [0]);
    silent.destroy();
    await draining;
    await last.ended;
    assert.ok(server.recorder.log.every((line) => !line.includes("echo")));
  });

  await t.step("one that believes that its TLS handshake is over", async () => {
    const { cert, key } = await generateCertificate(["127.0.0.1"]);
    const hub = await startHub({
      tunnelListen: ANYWHERE,
      callListen: ANYWHERE,
      callTls: { cert, key },
    });
    const caller = tls.connect({
      host: "127.0.0.1",
      port: portOf(hub.callAddress),
      ca: cert,
      ALPNProtocols: ["h2"],
    });
    const drawn = linesDrawn(caller);
    await once(caller, "secureConnect");
    // Its last words of the handshake are on their way.
    const draining = hub.drain();
    caller.write(FIRST_CALL);
    assert.deepEqual(await drawn, [0]);
    await draining;
  });
});

Deno.test("Hub.drain() ends when its time is over", async () => {
  const hub = await start();
  await using server = await dialTunnel(hub.tunnelAddress, "edge-1");
  await using caller = await dialCalls(hub.callAddress);
  caller.recorder.request(TO_EDGE);
  caller.flush();
  await server.heard(/^open \d+ .*echo/);
  const over = new AbortController();
  const draining = hub.drain(over.signal);
  await caller.heard(/^goaway/);
  over.abort();
  await draining;
  await Promise.all([server.ended, caller.ended]);
});

Deno.test("Hub: a caller that breaks the rules disturbs no other, nor the server", async () => {
  const hub = await start();
  await using server = await dialTunnel(hub.tunnelAddress, "edge-1");
  await using good = await dialCalls(hub.callAddress);
  await using bad = await dialCalls(hub.callAddress);
  for (const caller of [good, bad]) {
    caller.recorder.request(TO_EDGE);
    caller.flush();
    await caller.recorder.connection.streamCount;
  }
  await server.heard(/^open 5 /);
  const raw = await dialTcp(hub.callAddress);
  raw.resume();
  raw.write(wire.join(wire.PREFACE, wire.settings(), wire.data(1, "x")));
  await closed(raw);
  bad.recorder.connection.abort(8);
  await bad[Symbol.asyncDispose]();
  await server.heard(/^reset \d+ CANCEL peer/);
  const { connection, streams } = server.recorder;
  for (const stream of streams.values()) {
    connection.headers(stream, ANSWER, false);
    connection.headers(stream, trailers(), true);
  }
  server.flush();
  await good.heard(/^headers 1 grpc-status=0/);
  hub.close();
  await hub.closed;
});

Deno.test("Hub: a caller that cancels thousands of calls takes nobody the services away", async () => {
  const hub = await start();
  await using bad = await dialCalls(hub.callAddress);
  await using good = await dialCalls(hub.callAddress);
  const ask = encodeHeaderList(
    CALL.map(([name, value]) => [name, name === ":path" ? "/ghub.v1.Hub/ListServers" : value]),
  );
  // More than node:http2 forgives on one connection, and this hub's services share one.
  for (let i = 0; i < 4_000; i++) {
    const call = bad.recorder.request(ask);
    bad.recorder.connection.reset(call, 8);
    bad.flush();
    if (i % 500 > 0) continue;
    await until("a call that is delivered", async () => {
      const { id } = good.recorder.request(ask);
      good.recorder.connection.data(good.recorder.streams.get(id)!, new Uint8Array(5), true);
      good.flush();
      const answer = await good.heard(new RegExp(`^headers ${id} .*grpc-status=`));
      // Both are the same operator: for a moment it may have as many calls as it can get.
      assert.match(answer, /grpc-status=(0|14 .*nothing was delivered)/);
      return /grpc-status=0/.test(answer);
    });
  }
  hub.close();
  await hub.closed;
});

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
