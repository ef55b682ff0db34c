/**
 * What the first prototype did wrong. Each of these would fail on it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { Status } from "../shared/grpc/status.ts";
import { assertSameBytes, joined, noise, ok, requestId, text, texts } from "./call_suite/expect.ts";
import { FaultyLink } from "./support/faulty_link.ts";
import { dialTcp } from "./support/path.ts";
import { Process, source } from "./support/process.ts";
import { listServers } from "./support/typed_client.ts";
import { until } from "./support/until.ts";
import { upgrade } from "./support/upgrade.ts";
import { World } from "./support/world.ts";

/** Open files and sockets of a process. */
const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Waits until a call goes through, and returns how it went. */
async function reached(world: World, server: string): Promise<void> {
  using client = world.path(server).client();
  await until(`"${server}" to answer`, async () => (await client.unary({})).code === Status.OK);
}

Deno.test("a second server of a name does no harm by its own failure", async (t) => {
  await using world = await World.start({ servers: ["edge-1"] });
  using client = world.path("edge-1").client();
  // A call that lives through all of it.
  const { call, outcome } = client.bidi();
  const say = async (word: string) => {
    const answered = new Promise((resolve) => call.once("data", resolve));
    call.write({ data: text(word) });
    assert.deepEqual(texts([await answered as never]), [word]);
  };
  await say("before");
  const before = (await listServers(world.callAddress)).get("edge-1");

  await t.step("it is refused for its credential", async () => {
    const headers = { name: "edge-1", authorization: "Bearer wrong" };
    assert.equal(await upgrade(world.tunnelUri, headers), 401);
    await say("after a refusal");
  });

  await t.step("it is refused for its labels", async () => {
    const headers = { name: "edge-1", "x-hub-meta-labels": "no equals sign" };
    assert.equal(await upgrade(world.tunnelUri, headers), 400);
    await say("after a bad request");
  });

  await t.step("it is gone in the middle of its handshake", async () => {
    const { host, pathname } = new URL(world.tunnelUri);
    const socket = await dialTcp(host);
    socket.write(`GET ${pathname} HTTP/1.1\r\nx-hub-meta-name: edge-1\r\nupgra`);
    socket.resetAndDestroy();
    await say("after a broken handshake");
  });

  const after = (await listServers(world.callAddress)).get("edge-1");
  assert.equal(after?.tunnelId, before?.tunnelId);
  assert.equal(after?.generation, before?.generation);
  call.end();
  ok(await outcome);
});

Deno.test("a second server that takes a name over and dies gives it back", async () => {
  await using world = await World.start({ servers: ["edge-1"] });
  const first = world.server("edge-1");
  const second = await world.startServer({ name: "edge-1", stateDir: `${world.dir}/second` });
  await second.kill();
  await first.line(/^gserver ready server=edge-1 /); // It dials in again by itself.
  await reached(world, "edge-1");
  const servers = await listServers(world.callAddress, { includeOffline: true });
  assert.deepEqual([...servers.keys()], ["edge-1"]);
});

Deno.test("what a call carries arrives", async (t) => {
  await using world = await World.start();
  using client = world.path("edge-1").client();

  await t.step("messages over 512 bytes", async () => {
    for (const size of [511, 512, 513, 1024, 5000, 100_000]) {
      const data = noise(size);
      const { responses } = ok(await client.unary({ data }));
      assertSameBytes(responses[0]?.data, data);
    }
  });

  await t.step("metadata, both ways", async () => {
    const id = requestId();
    const metadata = { "x-echo-id": id, "echo-one": "1", "trail-two-bin": Uint8Array.of(2) };
    const { headers, trailers } = ok(await client.unary({}, { metadata }));
    assert.equal(joined(headers, "echo-one"), "1");
    assert.equal(joined(trailers, "trail-two-bin"), "Ag==");
    const record = await client.record(id, () => true);
    assert.deepEqual(record.metadata["echo-one"], ["1"]);
  });
});

Deno.test("calls leave nothing behind", async () => {
  await using world = await World.start();
  using client = world.path("edge-1").client();
  const pids = { hub: world.hub.pid, server: world.server("edge-1").pid };
  const files = () => ({ hub: openFiles(pids.hub), server: openFiles(pids.server) });
  const some = async (count: number) => {
    for (let i = 0; i < count; i += 4) {
      const stop = new AbortController();
      // Without messages: a caller's node:http2 counts those that come after its cancel as abuse.
      const cancelled = client.serverStream({ headersFirst: true, hang: true }, {
        signal: stop.signal,
      });
      const answers = await Promise.all([
        client.unary({ data: noise(600) }),
        client.unary({ failCode: Status.ABORTED }),
        client.unary({ hang: true }, { timeoutMs: 1 + i % 20 }),
        cancelled.headers.then(() => stop.abort()).then(() => cancelled.outcome),
      ]);
      assert.deepEqual(answers.map(({ code }) => code), [
        Status.OK,
        Status.ABORTED,
        Status.DEADLINE_EXCEEDED,
        Status.CANCELLED,
      ]);
    }
  };
  await some(40); // What is made once is made by now.
  const before = files();
  const { callsTotal: totalBefore = 0 } = (await listServers(world.callAddress)).get("edge-1") ??
    {};
  await some(1000);
  const settled = await until("every call to be over", async () => {
    const server = (await listServers(world.callAddress)).get("edge-1");
    return (server?.callsInFlight ?? 0) === 0 && server;
  });
  assert.ok(Number(settled.callsTotal) - Number(totalBefore) >= 750, `${settled.callsTotal} calls`);
  await until(`as many open files as before: ${JSON.stringify(before)}`, () => {
    const now = files();
    return now.hub <= before.hub && now.server <= before.server;
  });
});

Deno.test("connections of callers leave nothing behind", async () => {
  await using world = await World.start();
  const path = world.path("edge-1");
  const some = async (count: number) => {
    for (let i = 0; i < count; i++) {
      using client = path.client();
      ok(await client.unary({}));
    }
  };
  await some(5);
  const before = openFiles(world.hub.pid);
  await some(100);
  await until(
    `as many open files at the hub as before: ${before}`,
    () => openFiles(world.hub.pid) <= before,
  );
});

Deno.test("a server comes back", async (t) => {
  await using world = await World.start({
    servers: [],
    hubArgs: ["--ping-interval", "500ms", "--dead-after", "2s", "--reconnect-spread", "100ms"],
  });
  const { host, protocol, pathname } = new URL(world.tunnelUri);
  await using network = await FaultyLink.to(host);
  const hubUri = `${protocol}//${network.address}${pathname}`;
  const server = await world.startServer({ name: "edge-1", hubUri });
  const ready = /^gserver ready server=edge-1 /;

  await t.step("after a cut", async () => {
    network.cut();
    await server.line(ready);
    await reached(world, "edge-1");
  });

  await t.step("after a network that loses everything and says nothing", async () => {
    network.blackHole("up", "down");
    await server.says(/Nothing came in for/);
    await server.line(ready);
    await reached(world, "edge-1");
    const servers = await listServers(world.callAddress);
    assert.equal(servers.size, 1);
  });

  await t.step("after the hub was killed and started again", async () => {
    await world.hub.kill();
    await world.startHub();
    await server.line(ready);
    await reached(world, "edge-1");
  });

  await t.step("after the hub was stopped and started again", async () => {
    assert.deepEqual(await world.hub.stop(), { code: 0, signal: null });
    await world.startHub();
    await server.line(ready);
    await reached(world, "edge-1");
  });

  await t.step("after the hub was frozen", async () => {
    const { length } = server.stderr;
    world.hub.pause();
    await server.says(/Nothing came in for/, length);
    world.hub.resume();
    await reached(world, "edge-1");
  });
});

Deno.test("exit codes tell what happened", async (t) => {
  await using world = await World.start();
  const table: [what: string, args: string[], code: number][] = [
    ["all is well", ["hub", "servers"], 0],
    ["a flag that does not exist", ["hub", "servers", "--no-such-flag"], 2],
    ["a server that does not exist", ["fluentd", "status", "edge-9"], 64 + Status.NOT_FOUND],
    [
      "no hub there",
      ["hub", "servers", "-s", "127.0.0.1:1", "--timeout", "60s"],
      64 + Status.UNAVAILABLE,
    ],
  ];
  for (const [what, args, code] of table) {
    await t.step(`gclient: ${what}`, async () => {
      const result = await world.gclient(args);
      assert.equal(result.code, code, result.stderr);
      if (code !== 0) assert.notEqual(result.stderr, "");
    });
  }

  const programs: [what: string, args: string[], code: number][] = [
    ["ghub: a bad address", ["hub/main.ts", "serve", "--call-listen", "nowhere:port"], 2],
    ["ghub: a port that is taken", ["hub/main.ts", "serve", "--call-listen", world.callAddress], 1],
    ["gserver: a bad name", ["server/main.ts", "serve", "Not A Name"], 2],
    ["gserver: a bad address", ["server/main.ts", "serve", "edge-1", "--hub-uri", "ftp://x"], 2],
  ];
  for (const [what, [file = "", ...args], code] of programs) {
    await t.step(what, async () => {
      const dir = `${world.dir}/${requestId()}`;
      const result = await Process.run([
        ...source(file),
        ...args,
        "--state-dir",
        dir,
        ...(file === "hub/main.ts" ? ["--tunnel-listen", "127.0.0.1:0"] : []),
      ]);
      assert.equal(result.code, code, result.stderr);
      assert.notEqual(result.stderr, "");
    });
  }
});
