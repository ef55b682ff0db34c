/**
 * Calls among slow readers, lost links, restarts and strangers: rows 9, 11, 12, 13, 14, 19, 23 and 24
 * of docs/reliability.md.
 */
import assert from "node:assert/strict";
import { Client, type MethodDefinition } from "@grpc/grpc-js";
import http2 from "node:http2";
import { HubCredentials } from "../../shared/http2/testing/hub_credentials.ts";
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_WatchActivityRequest as WatchActivityRequest,
} from "../../shared/gen/types.ts";
import { serviceDefinition } from "../../shared/grpc_js/service_definition.ts";
import { Status } from "../../shared/grpc/status.ts";
import { ok, requestId, text, texts } from "../call_suite/expect.ts";
import { EchoClient } from "../support/echo_client.ts";
import { hopOf, listed, openFiles, reached, untilState } from "../support/facts.ts";
import { dialTcp } from "../support/path.ts";
import { RawTunnel } from "../support/raw_tunnel.ts";
import { until } from "../support/until.ts";
import { withoutGoaway } from "../support/without_goaway.ts";
import { World } from "../support/world.ts";

Deno.test("row 9, one slow reader stalls nobody: not on its connection, not on its server", async () => {
  await using world = await World.start();
  const path = world.path("edge-1");
  using slow = path.client();
  using other = path.client();
  const endless = { count: 1_000_000, size: 64 * 1024 };
  const stop = new AbortController();
  const paused = [slow, other].map((client) =>
    client.serverStream(endless, { paused: true, signal: stop.signal })
  );
  await Promise.all(paused.map(({ headers }) => headers));
  for (const client of [slow, other]) {
    const calls = Array.from({ length: 50 }, () => client.unary({ data: new Uint8Array(10_000) }));
    for (const outcome of await Promise.all(calls)) ok(outcome);
  }
  stop.abort();
  for (const { outcome } of paused) assert.equal((await outcome).code, Status.CANCELLED);
});

Deno.test("row 11, a server that sends and never reads is let go, and its calls are told", async () => {
  await using world = await World.start({
    servers: [],
    // Whatever holds up our pings, too: it is not the silence that ends it.
    hubArgs: ["--ping-interval", "1s", "--dead-after", "60s"],
  });
  using deaf = await RawTunnel.open(world.tunnelUri, { name: "deaf", deaf: true });
  deaf.allow(2 ** 30);
  deaf.ping(100); // Bytes come in: silence is not what gives it away.
  using client = world.path("deaf").client();
  await untilState(world, "deaf", "ONLINE");
  const call = client.clientStream();
  // More than the sockets between will hold.
  for (let i = 0; i < 200; i++) call.call.write({ data: new Uint8Array(64 * 1024) });
  const many = Array.from(
    { length: 500 },
    () => client.unary({ data: new Uint8Array(60_000) }, { timeoutMs: 60_000 }),
  );
  const { lastCloseReason = "" } = await untilState(world, "deaf", "OFFLINE");
  assert.match(lastCloseReason, /read|took|taken|stall/i);
  for (const outcome of [await call.outcome, ...await Promise.all(many)]) {
    assert.equal(outcome.code, Status.UNAVAILABLE, outcome.details);
    assert.match(hopOf(outcome), /^hub [01]$/);
  }
});

Deno.test("row 12, calls that nobody answers expire, and leave nothing", async () => {
  await using world = await World.start({ servers: [] });
  using silent = await RawTunnel.open(world.tunnelUri, { name: "silent" });
  silent.ping(500);
  await untilState(world, "silent", "ONLINE");
  using client = world.path("silent").client();
  const calls = Array.from({ length: 90 }, (_, i) => client.unary({}, { timeoutMs: 200 + i }));
  for (const outcome of await Promise.all(calls)) {
    assert.equal(outcome.code, Status.DEADLINE_EXCEEDED);
  }
  // The hub's own Welcome may still wait for an answer.
  await until(
    "no call to be left",
    async () => ((await listed(world, "silent"))?.callsInFlight ?? 0) <= 1,
  );
});

Deno.test("rows 13 and 14, streams half-closed, abandoned and answered early are freed", async () => {
  await using world = await World.start();
  const path = world.path("edge-1");
  const round = async () => {
    using client = path.client();
    const stop = new AbortController();
    const abandoned = [
      client.clientStream({ signal: stop.signal }),
      client.bidi({ signal: stop.signal }),
    ];
    abandoned[0]?.call.write({ data: text("one") });
    const halfClosed = client.bidi({ signal: stop.signal });
    halfClosed.call.write({ hang: true });
    halfClosed.call.end();
    // Answered while the caller still sends.
    const early = client.clientStream();
    early.call.write({ failCode: Status.FAILED_PRECONDITION, data: new Uint8Array(100_000) });
    early.call.end();
    await early.outcome;
    ok(await client.unary({}));
    stop.abort();
    await Promise.all([...abandoned, halfClosed].map(({ outcome }) => outcome));
  };
  await round();
  const { hub } = world;
  const server = world.server("edge-1");
  const before = [openFiles(hub.pid), openFiles(server.pid)];
  for (let i = 0; i < 50; i++) await round();
  await until(
    "no call to be left",
    async () => ((await listed(world, "edge-1"))?.callsInFlight ?? 0) === 0,
  );
  await until(
    `as many open files as before: ${before}`,
    () => openFiles(hub.pid) <= before[0]! && openFiles(server.pid) <= before[1]!,
  );
});

Deno.test("row 13, a caller that says goodbye and keeps its connection open is let go", async () => {
  await using world = await World.start({ servers: [] });
  const socket = withoutGoaway(await dialTcp(world.callAddress), "server");
  const session = http2.connect("http://hub", { createConnection: () => socket });
  session.on("error", () => {});
  await new Promise((resolve) => session.ping(resolve));
  const before = openFiles(world.hub.pid);
  session.goaway();
  await until("the hub to close it", () => openFiles(world.hub.pid) < before);
  session.destroy();
});

Deno.test("row 19, a graceful end cuts no call, at the hub and at a server", async (t) => {
  const patient = ["--drain-timeout", "10m"];
  await using world = await World.start({
    servers: ["edge-1", { name: "edge-2", args: patient }],
    hubArgs: patient,
  });
  await t.step("the server ends: its call is done, the next one is told", async () => {
    using client = world.path("edge-2").client();
    const { call, outcome } = client.bidi();
    const first = new Promise((resolve) => call.once("data", resolve));
    call.write({ data: text("before") });
    await first;
    const ending = world.server("edge-2").stop();
    await untilState(world, "edge-2", "DRAINING");
    const next = await client.unary({});
    assert.deepEqual([next.code, hopOf(next)], [Status.UNAVAILABLE, "hub 0"]);
    call.write({ data: text("during") });
    call.end();
    assert.deepEqual(texts(ok(await outcome).responses), ["before", "during"]);
    assert.deepEqual(await ending, { code: 0, signal: null });
  });
  await t.step("the hub ends: its call is done, and it exits with 0", async () => {
    using client = world.path("edge-1").client();
    const { call, outcome } = client.bidi();
    const metadata = { "x-hub-server": "edge-9", "x-hub-wait": "5m" };
    const waiting = client.unary({}, { metadata });
    const first = new Promise((resolve) => call.once("data", resolve));
    call.write({ data: text("before") });
    await first;
    const ending = world.hub.stop();
    await until("the hub to drain", () => /Draining/.test(world.hub.stderr));
    // Who waits for a server would wait in vain, and so would the hub for that call.
    const waited = await waiting;
    assert.deepEqual([waited.code, hopOf(waited)], [Status.UNAVAILABLE, "hub 0"]);
    call.write({ data: text("during") });
    call.end();
    assert.deepEqual(texts(ok(await outcome).responses), ["before", "during"]);
    assert.deepEqual(await ending, { code: 0, signal: null });
    await world.startHub();
    await reached(world, "edge-1");
  });
});

Deno.test("row 25, a hub that is killed with calls in flight: none ends as if it were well", async () => {
  await using world = await World.start();
  using client = world.path("edge-1").client();
  const ids = Array.from({ length: 20 }, requestId);
  const calls = ids.map((id) => client.unary({ hang: true }, { metadata: { "x-echo-id": id } }));
  await client.record(ids.at(-1)!, ({ received }) => received === 1);
  await world.hub.kill();
  for (const outcome of await Promise.all(calls)) {
    assert.notEqual(outcome.code, Status.OK);
    // Nobody has said that nothing was delivered: so a caller must not believe it.
    assert.notEqual(hopOf(outcome), "hub 0");
  }
  await world.startHub();
  await reached(world, "edge-1");
});

Deno.test("row 23, strangers are served: a server without Welcome, fields that nobody knows", async (t) => {
  await using world = await World.start({ servers: [{ name: "plain", program: "plain" }] });
  await t.step("a plain gRPC server", async () => {
    using client = world.path("plain").client();
    ok(await client.unary({ data: text("hello") }));
  });
  await t.step("headers of a later version", async () => {
    const headers = { "X-Hub-Meta-Revision": "9", "X-Hub-Features": "a,b" };
    using tunnel = await RawTunnel.open(world.tunnelUri, { name: "later", headers });
    assert.equal(tunnel.status, 101, tunnel.answer);
  });
  await t.step("metadata of a later version", async () => {
    using client = new EchoClient(world.callAddress);
    ok(await client.unary({}, { metadata: { "x-hub-server": "plain", "x-hub-later": "1" } }));
  });
});

Deno.test("row 24, who watches and does not read loses the oldest events, with their count", async () => {
  await using world = await World.start();
  using client = world.path("edge-1").client();
  const method = serviceDefinition("ghub.v1.Hub")["WatchActivity"] as MethodDefinition<
    WatchActivityRequest,
    Activity
  >;
  const watcher = new Client(world.callAddress, new HubCredentials({}), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const watch = watcher.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    {},
  );
  watch.on("error", () => {});
  let [first, last, told, dropped] = [0, 0, 0, 0];
  watch.on("data", ({ kind, seq, dropped: gap }: Activity) => {
    if (kind === "GAP") return void (dropped += Number(gap));
    last = Number(seq);
    first ||= last;
    told++;
  });
  await until("the watch to be under way", async () => {
    ok(await client.unary({}));
    return first > 0;
  });
  watch.pause();
  const CALLS = 8_000;
  for (let i = 0; i < CALLS; i += 100) {
    const calls = Array.from({ length: 100 }, () => client.unary({}));
    for (const outcome of await Promise.all(calls)) ok(outcome);
  }
  watch.resume();
  await until("the feed to catch up", () => last - first >= CALLS);
  assert.ok(dropped > 0, "nothing was dropped: the watcher was not slow enough");
  assert.equal(told + dropped, last - first + 1);
  watch.cancel();
  watcher.close();
  // Nothing of it was felt by others.
  ok(await client.unary({}));
});
