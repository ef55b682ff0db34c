import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { CloseCode } from "../../shared/websocket/close_codes.ts";
import { VERSION } from "../../shared/version.ts";
import { type RunningServer, type ServerOptions, startServer } from "../server.ts";
import { testEcho } from "../testing/echo.ts";
import { frame, type HubTunnel, resultOf, TestHub } from "../testing/hub.ts";
import { States } from "../testing/states.ts";

const AT_ONCE = { baseMs: 0 };

function start(hub: TestHub, options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  return startServer({ name: "edge-1", hubUri: hub.uri, backoff: AT_ONCE, ...options });
}

const unary = (tunnel: HubTunnel, text: string) =>
  tunnel.call<{ data: Uint8Array }>("echo.v1.Echo", "Unary", { data: Buffer.from(text) });

Deno.test("a server registers with its name, labels, instance, version and token", async () => {
  await using hub = await TestHub.start();
  const labels = { env: "prod", site: "ams" };
  await using _server = await start(hub, { labels, token: { value: "s3cret" } });
  const { request: { headers, url } } = await hub.tunnel();
  assert.equal(url, "/ws");
  assert.equal(headers["x-hub-meta-name"], "edge-1");
  assert.equal(headers["x-hub-meta-labels"], "env=prod,site=ams");
  assert.match(
    String(headers["x-hub-meta-instance"]),
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  );
  assert.equal(headers["x-hub-meta-version"], VERSION);
  assert.equal(headers["authorization"], "Bearer s3cret");
  assert.equal(headers["sec-websocket-protocol"], "ghub.h2.v1");
  assert.equal(headers["sec-websocket-extensions"], undefined);
});

Deno.test("a server serves its services, health and reflection on the tunnel", async () => {
  await using hub = await TestHub.start();
  await using _server = await start(hub, { services: [testEcho()] });
  const tunnel = await hub.tunnel();
  const { status, responses } = await unary(tunnel, "hello");
  assert.deepEqual([status, Buffer.from(responses[0]!.data).toString()], [0, "hello"]);
  const health = await tunnel.call<{ status: string }>("grpc.health.v1.Health", "Check", {
    service: "echo.v1.Echo",
  });
  assert.equal(health.responses[0]?.status, "SERVING");
  const big = await tunnel.call<{ data: Uint8Array }>("echo.v1.Echo", "ServerStream", {
    count: 40,
    size: 100_000,
  });
  assert.deepEqual([big.status, big.responses.length], [0, 40]);
});

Deno.test("a server comes back after its tunnel is lost", async (t) => {
  const table: [how: string, lose: (hub: TestHub, tunnel: HubTunnel) => void][] = [
    ["cut", (hub) => hub.cut()],
    ["closed with a reason", (_, tunnel) => tunnel.close(CloseCode.NORMAL, "Newer registration")],
    ["text message", (_, tunnel) => tunnel.socket.send("text")],
    ["broken HTTP/2", (_, tunnel) => tunnel.socket.send(Buffer.alloc(100, 0xff))],
    ["broken WebSocket", (_, tunnel) => tunnel.request.socket.write(Buffer.alloc(10, 0xff))],
  ];
  for (const [how, lose] of table) {
    await t.step(how, async () => {
      await using hub = await TestHub.start();
      await using _server = await start(hub, { services: [testEcho()] });
      const first = await hub.tunnel();
      lose(hub, first);
      const second = await hub.tunnel();
      assert.equal((await unary(second, "again")).status, 0);
      assert.equal(
        first.request.headers["x-hub-meta-instance"],
        second.request.headers["x-hub-meta-instance"],
      );
    });
  }
});

Deno.test("a text message is closed with 1003", async () => {
  await using hub = await TestHub.start();
  await using _server = await start(hub);
  const tunnel = await hub.tunnel();
  tunnel.socket.send("text");
  assert.equal((await tunnel.closed)[0], CloseCode.UNSUPPORTED_DATA);
});

Deno.test("GOAWAY: the new tunnel is open before the old one ends, and its calls end", async () => {
  await using hub = await TestHub.start();
  const echo = testEcho();
  await using _server = await start(hub, { services: [echo] });
  const old = await hub.tunnel();
  const slow = old.open("/echo.v1.Echo/Unary");
  slow.end(frame("echo.v1.Echo", "Unary", { hang: true, data: Buffer.from("slow") }));
  const result = resultOf<{ data: Uint8Array }>(slow, "echo.v1.Echo", "Unary");
  await echo.waiting;
  old.sayGoaway();
  const fresh = await hub.tunnel();
  assert.equal((await unary(fresh, "new")).status, 0);
  assert.equal(old.socket.readyState, old.socket.OPEN);
  echo.release();
  const { status, responses } = await result;
  assert.deepEqual([status, Buffer.from(responses[0]!.data).toString()], [0, "slow"]);
  assert.equal((await old.closed)[0], CloseCode.GOING_AWAY);
  assert.equal((await unary(fresh, "still")).status, 0);
});

Deno.test("a token that has changed gets a new tunnel, and the old one ends its calls", async () => {
  const folder = await Deno.makeTempDir({ prefix: "gserver-token-" });
  try {
    const file = `${folder}/token`;
    await Deno.writeTextFile(file, "first-token", { mode: 0o600 });
    await using hub = await TestHub.start();
    const echo = testEcho();
    await using _server = await start(hub, { services: [echo], token: { file }, lookMs: 10 });
    const old = await hub.tunnel();
    assert.equal(old.request.headers["x-hub-meta-renews"], undefined);
    const slow = old.open("/echo.v1.Echo/Unary");
    slow.end(frame("echo.v1.Echo", "Unary", { hang: true, data: Buffer.from("slow") }));
    const result = resultOf<{ data: Uint8Array }>(slow, "echo.v1.Echo", "Unary");
    await echo.waiting;
    // What cannot be used changes nothing: others may read it.
    await Deno.writeTextFile(`${folder}/open`, "x", { mode: 0o644 });
    await Deno.rename(`${folder}/open`, file);
    await Deno.writeTextFile(`${folder}/next`, "second-token", { mode: 0o600 });
    await Deno.rename(`${folder}/next`, file);
    const fresh = await hub.tunnel();
    assert.equal(fresh.request.headers["authorization"], "Bearer second-token");
    assert.equal(fresh.request.headers["x-hub-meta-renews"], "1");
    assert.equal((await unary(fresh, "new")).status, 0);
    assert.equal(old.socket.readyState, old.socket.OPEN);
    echo.release();
    assert.equal((await result).status, 0);
    assert.equal((await old.closed)[0], CloseCode.GOING_AWAY);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a token that changes in the middle of a dial is shown by another one", async () => {
  let dials = 0;
  await using hub = await TestHub.start({
    refuse() {
      // Its token was read already, and it has no answer yet.
      if (++dials === 1) server.agents[0]!.renew();
      return false;
    },
  });
  await using server = await start(hub);
  const first = await hub.tunnel();
  const second = await hub.tunnel();
  assert.equal(first.request.headers["x-hub-meta-renews"], undefined);
  assert.equal(second.request.headers["x-hub-meta-renews"], "1");
});

Deno.test("GOAWAY behind finished calls does not end the process", async () => {
  // Without Http2Scan, Deno 2.9.6 aborts here two times out of three.
  await using hub = await TestHub.start();
  await using _server = await start(hub, { services: [testEcho()] });
  for (let i = 0; i < 6; i++) {
    const tunnel = await hub.tunnel();
    const call = tunnel.open("/echo.v1.Echo/ClientStream");
    const message = frame("echo.v1.Echo", "ClientStream", { data: new Uint8Array(60_000) });
    for (let n = 0; n < 256; n++) call.write(message);
    call.end();
    const { status } = await resultOf(call, "echo.v1.Echo", "ClientStream");
    assert.equal(status, 0);
    tunnel.stream.write(Buffer.from("0000080700" + "00".repeat(12), "hex"));
  }
});

Deno.test("stop(): calls in flight end, new ones are told to go elsewhere", async () => {
  await using hub = await TestHub.start();
  const echo = testEcho();
  await using server = await start(hub, { services: [echo] });
  const tunnel = await hub.tunnel();
  const slow = tunnel.call("echo.v1.Echo", "Unary", { hang: true });
  await echo.waiting;
  const stopped = server.stop();
  await tunnel.goaway;
  echo.release();
  assert.equal((await slow).status, 0);
  assert.equal((await tunnel.closed)[0], CloseCode.GOING_AWAY);
  await stopped;
  assert.equal(server.agents[0]!.state.state, "stopped");
});

Deno.test("stop(): calls that do not end are cut", async () => {
  await using hub = await TestHub.start();
  const echo = testEcho();
  await using server = await start(hub, { services: [echo], drainTimeoutMs: 20 });
  const tunnel = await hub.tunnel();
  const slow = tunnel.call("echo.v1.Echo", "Unary", { hang: true });
  await echo.waiting;
  await server.stop();
  assert.equal((await slow).status, undefined);
  assert.match((await tunnel.closed)[1], /cut/);
});

Deno.test("stop() ends each state", async (t) => {
  await t.step("dialing", async () => {
    const reached = Promise.withResolvers<void>();
    await using hub = await TestHub.start({ refuse: () => (reached.resolve(), true) });
    const server = await start(hub);
    await reached.promise;
    await server.stop();
  });
  await t.step("waiting", async () => {
    await using hub = await TestHub.start({ refuse: (_, socket) => refuse(socket, 401) });
    const states = new States();
    const server = await start(hub, { onState: states.onState });
    await states.next("waiting");
    await server.stop();
  });
});

function refuse(socket: { end(text: string): unknown }, status: number, headers = ""): true {
  const body = JSON.stringify({ code: "X", message: "Join token wrong" });
  socket.end(`HTTP/1.1 ${status} No\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`);
  return true;
}

Deno.test("a refused server waits as the hub says", async (t) => {
  const table: [status: number, headers: string, least: number, most: number][] = [
    [401, "", 54_000, 66_000],
    [403, "", 54_000, 66_000],
    [503, "Retry-After: 7\r\n", 7_000, 7_700],
    [429, "Retry-After: 100000\r\n", 600_000, 660_000],
    [500, "", 0, 0],
  ];
  for (const [status, headers, least, most] of table) {
    await t.step(`${status} ${headers.trim()}`, async () => {
      await using hub = await TestHub.start({
        refuse: (_, socket) => refuse(socket, status, headers),
      });
      const states = new States();
      await using _server = await start(hub, { onState: states.onState });
      const { why, waitMs } = await states.next("waiting");
      assert.match(why, new RegExp(`^The hub answered ${status}: Join token wrong$`));
      assert.ok(waitMs >= least && waitMs <= most, `${waitMs} ms`);
    });
  }
});

Deno.test("Welcome sets the numbers, and a lost tunnel waits within the spread", async () => {
  await using hub = await TestHub.start();
  const states = new States();
  await using _server = await start(hub, {
    onState: states.onState,
    backoff: { baseMs: 0, random: () => 0.5 },
  });
  const tunnel = await hub.tunnel();
  const { tunnel: ours } = await states.next("serving");
  const { status } = await tunnel.call("ghub.v1.Tunnel", "Welcome", {
    pingInterval: { seconds: 2 },
    deadAfter: { seconds: 0, nanos: 1 }, // beyond what a hub may ask
    reconnectSpread: { seconds: 80 },
  });
  assert.equal(status, 0);
  assert.deepEqual(ours.numbers, { pingIntervalMs: 2000, deadAfterMs: 300 });
  hub.cut();
  assert.equal((await states.next("waiting")).waitMs, 40_000);
});

Deno.test("a hub that went silent is left without waiting for it", async () => {
  await using hub = await TestHub.start();
  await using _server = await start(hub, { heartbeat: { pingIntervalMs: 10, deadAfterMs: 60 } });
  const silent = await hub.tunnel();
  // No byte is read or written any more, and the socket stays open: power loss, not a close.
  silent.request.socket.pause();
  const next = await hub.tunnel();
  assert.notEqual(next.request.socket, silent.request.socket);
  silent.request.socket.destroy();
});

Deno.test("a hub that answers pings is alive", async () => {
  await using hub = await TestHub.start();
  const states = new States();
  await using server = await start(hub, {
    // As many looks at the silence as there can be: the process must have many turns to hear a pong.
    heartbeat: { pingIntervalMs: 20, deadAfterMs: 600 },
    onState: states.onState,
  });
  const tunnel = await hub.tunnel();
  let pings = 0;
  await new Promise<void>((resolve) => {
    tunnel.socket.on("ping", () => {
      if (++pings === 60) resolve();
    });
  });
  assert.equal(server.agents[0]!.state.state, "serving");
});
