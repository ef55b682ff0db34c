/**
 * Links and processes that are there and are not: rows 1, 10, 11, 21, 22 and 26 of
 * docs/reliability.md. Times are a part of the defaults, though longer than a busy machine lets a
 * process wait for its turn; the facts are the same.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { TestHub } from "../../server/testing/hub.ts";
import { Status } from "../../shared/grpc/status.ts";
import { ok, requestId } from "../call_suite/expect.ts";
import {
  assertSameTunnel,
  hopOf,
  listed,
  reached,
  reasonOf,
  untilState,
} from "../support/facts.ts";
import { type Direction, FaultyLink, type FaultyLinkOptions } from "../support/faulty_link.ts";
import { startGserver } from "../support/lone_gserver.ts";
import type { Process } from "../support/process.ts";
import { RawTunnel } from "../support/raw_tunnel.ts";
import { until, within } from "../support/until.ts";
import { World } from "../support/world.ts";

const DEAD_AFTER_MS = 4_000;
const FAST = ["--ping-interval", "800ms", "--dead-after", `${DEAD_AFTER_MS}ms`];
const READY = /^gserver ready server=/;

/** A world whose servers are at the far end of links of their own. */
async function linked(
  world: World,
  name: string,
  options: FaultyLinkOptions = {},
): Promise<{ link: FaultyLink; server: Process }> {
  const { host, protocol, pathname } = new URL(world.tunnelUri);
  const link = await FaultyLink.to(host, options);
  const hubUri = `${protocol}//${link.address}${pathname}`;
  return { link, server: await world.startServer({ name, hubUri }) };
}

Deno.test("row 1, half-open link: both ends notice by themselves, and the server is back", async (t) => {
  await using world = await World.start({
    servers: [],
    hubArgs: [...FAST, "--reconnect-spread", "100ms"],
  });
  const table: [name: string, lost: Direction[]][] = [
    ["both", ["up", "down"]],
    ["up", ["up"]],
    ["down", ["down"]],
  ];
  await Promise.all(table.map(async ([name, lost]) => {
    const { link, server } = await linked(world, name);
    await using _link = link;
    using client = world.path(name).client();
    const id = requestId();
    const call = client.unary({ hang: true }, { metadata: { "x-echo-id": id } });
    await client.record(id, ({ received }) => received === 1);
    link.holdsNew = true; // So that no new registration tells an end what it must find out.
    link.blackHole(...lost);
    const { lastCloseReason = "" } = await untilState(world, name, "OFFLINE");
    assert.match(lastCloseReason, lost.includes("up") ? /^No byte for \d+ s/ : /closed|cut|reset/i);
    // Where it still hears the hub, the hub's last words tell it.
    const noticed = lost.includes("down") ? /Nothing came in for \d+ ms/ : /closed .*: No byte for/;
    await until(`"${name}" to notice`, () => noticed.test(server.stderr));
    const outcome = await call;
    assert.equal(outcome.code, Status.UNAVAILABLE);
    assert.equal(reasonOf(outcome), "OUTCOME_UNKNOWN");
    assert.equal(hopOf(outcome), "hub 1");
    link.holdsNew = false;
    link.cut();
    await server.line(READY);
    await reached(world, name);
    await server.stop();
  }));

  await t.step("SIGKILL: the kernel says so at once", async () => {
    const server = await world.startServer("killed");
    await server.kill();
    await untilState(world, "killed", "OFFLINE");
  });
});

Deno.test("row 10, a large transfer on a slow link is no death, in either direction", async (t) => {
  await using world = await World.start({ servers: [], hubArgs: FAST });
  const bytesPerS = 2_000_000;
  const { link } = await linked(world, "edge-1", { bytesPerS });
  await using _link = link;
  using client = world.path("edge-1").client();
  const before = await listed(world, "edge-1");
  // Longer on its way than the silence that would close the tunnel.
  const bytes = 1.5 * bytesPerS * DEAD_AFTER_MS / 1000;
  await t.step("down to the server", async () => {
    const { call, outcome } = client.clientStream();
    for (let sent = 0; sent < bytes; sent += 2 ** 16) call.write({ data: new Uint8Array(2 ** 16) });
    call.end();
    const { responses } = ok(await outcome);
    assert.ok(Number(responses[0]?.receivedBytes) >= bytes);
    await assertSameTunnel(world, before);
  });
  await t.step("up to the hub", async () => {
    const { outcome } = client.serverStream({ count: Math.ceil(bytes / 2 ** 16), size: 2 ** 16 });
    ok(await outcome);
    await assertSameTunnel(world, before);
  });
});

Deno.test("row 21, a middlebox that forgets the idle: pings keep the tunnel", async () => {
  await using world = await World.start({ servers: [], hubArgs: FAST });
  const idleS = 3.5;
  const { link } = await linked(world, "edge-1", { idleMs: idleS * 1_000 });
  await using _link = link;
  const before = await listed(world, "edge-1");
  const { connectedAt } = before ?? {};
  await until("three times the idle time to pass", async () => {
    const server = await listed(world, "edge-1");
    return Number(server?.lastSeen?.seconds) - Number(connectedAt?.seconds) > 3 * idleS;
  });
  await assertSameTunnel(world, before);
  assert.equal(link.accepted, 1);
});

Deno.test("row 22, the pings of a gRPC client are answered, and are no offence", async () => {
  await using world = await World.start();
  const session = http2.connect(`http://${world.callAddress}`);
  let goaway: number | undefined;
  session.on("goaway", (code) => goaway = code);
  session.on("error", () => {});
  await new Promise((resolve) => session.once("connect", resolve));
  for (let i = 0; i < 100; i++) {
    await new Promise<void>((resolve, reject) =>
      session.ping((error) => error === null ? resolve() : reject(error))
    );
  }
  assert.equal(goaway, undefined);
  const closed = new Promise((resolve) => session.once("close", resolve));
  session.destroy();
  await closed;
  // Nor do they go through: the server's tunnel has its own.
  await reached(world, "edge-1");
});

Deno.test("row 26, alive but deaf: a stopped server is away, and comes back by itself", async () => {
  await using world = await World.start({ hubArgs: FAST });
  const server = world.server("edge-1");
  using client = world.path("edge-1").client();
  const id = requestId();
  const inFlight = client.unary({ hang: true }, { metadata: { "x-echo-id": id } });
  await client.record(id, ({ received }) => received === 1);
  server.pause();
  const { lastCloseReason = "" } = await untilState(world, "edge-1", "OFFLINE");
  assert.match(lastCloseReason, /^No byte for/);
  assert.equal(reasonOf(await inFlight), "OUTCOME_UNKNOWN");
  const next = await client.unary({});
  assert.deepEqual([next.code, hopOf(next), reasonOf(next)], [
    Status.UNAVAILABLE,
    "hub 0",
    "SERVER_OFFLINE",
  ]);
  server.resume();
  await server.line(READY);
  await reached(world, "edge-1");
});

Deno.test("row 26, a hub that was stopped itself blames nobody for the silence", async () => {
  await using world = await World.start({ servers: [], hubArgs: FAST });
  using peer = await RawTunnel.open(world.tunnelUri, { name: "raw" });
  peer.ping(100);
  const before = await untilState(world, "raw", "ONLINE");
  world.hub.pause();
  // By the kernel's clock, which is what the hub will see.
  const pausedAtMs = performance.now();
  await until(
    "the hub to have slept too long",
    () => performance.now() - pausedAtMs > 1.5 * DEAD_AFTER_MS,
  );
  world.hub.resume();
  // Two sweeps later: what it would have done is done.
  await until("the hub to go on", async () => {
    const { lastSeen } = await listed(world, "raw") ?? {};
    return Number(lastSeen?.seconds) * 1000 >
      performance.timeOrigin + pausedAtMs + 1.5 * DEAD_AFTER_MS + 2_250;
  });
  await assertSameTunnel(world, before);
});

Deno.test("row 26, a server that was stopped itself blames nobody for the silence", async () => {
  // A hub that says no numbers, and lets a server sleep for longer than its own.
  await using hub = await TestHub.start();
  await using started = await startGserver(hub, ["--ping-interval", "1s", "--dead-after", "6s"]);
  const { server, tunnel } = started;
  // Before its first ping: no answer may wait for it when it wakes.
  server.pause();
  const pausedAtMs = performance.now();
  await until("the server to have slept", () => performance.now() - pausedAtMs > 7_500);
  server.resume();
  const next = Promise.race([
    once(tunnel.socket, "ping").then(() => "a ping"),
    tunnel.closed.then(([code, reason]) => `closed with ${code} ${reason}`),
  ]);
  assert.equal(await within("what the server does", next), "a ping");
  assert.equal(hub.requests.length, 1);
});
