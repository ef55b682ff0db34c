/**
 * Where calls go: by metadata, by authority, to the only server, or to an error that helps.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { decodeStatus, type Detail } from "../shared/grpc/rpc_error.ts";
import { Status } from "../shared/grpc/status.ts";
import { joined, ok, requestId, text, texts } from "./call_suite/expect.ts";
import { EchoClient, type Headers, type Outcome } from "./support/echo_client.ts";
import { callOnce, listServers } from "./support/typed_client.ts";
import { PATIENCE_MS, until } from "./support/until.ts";
import { World } from "./support/world.ts";

/** Asserts that exactly one of two servers saw a call. */
async function seenBy(world: World, id: string, name: string): Promise<void> {
  for (const server of ["edge-1", "edge-2"]) {
    using client = world.path(server).client();
    const seen = await client.peek(id) !== null;
    assert.equal(seen, server === name, `"${server}" ${seen ? "saw" : "did not see"} the call`);
  }
}

function hop({ trailers }: Pick<Outcome, "trailers">): string {
  return `${joined(trailers, "x-hub-hop")} ${joined(trailers, "x-hub-forwarded")}`;
}

function details({ trailers }: Outcome): Detail[] {
  const [bytes] = trailers.get("grpc-status-details-bin") as Buffer[];
  return bytes === undefined ? [] : decodeStatus(bytes).details;
}

/** `ErrorInfo.reason` of an outcome. */
function reason(outcome: Outcome): string {
  const info = details(outcome).find(({ type }) => type === "google.rpc.ErrorInfo");
  return (info?.value as { reason?: string } | undefined)?.reason ?? "";
}

Deno.test("routing finds the server that a call means", async (t) => {
  await using world = await World.start({ servers: ["edge-1", "edge-2"] });
  using client = new EchoClient(world.callAddress);

  const byMetadata: [what: string, metadata: Headers, server: string][] = [
    ["metadata x-hub-server", { "x-hub-server": "edge-1" }, "edge-1"],
    ["metadata x-hub-server of another one", { "x-hub-server": "edge-2" }, "edge-2"],
    ["metadata name, as the first prototype had it", { name: "edge-2" }, "edge-2"],
    ["both, saying the same", { name: "edge-2", "x-hub-server": "edge-2" }, "edge-2"],
  ];
  for (const [what, metadata, server] of byMetadata) {
    await t.step(what, async () => {
      const id = requestId();
      ok(await client.unary({}, { metadata: { ...metadata, "x-echo-id": id } }));
      await seenBy(world, id, server);
    });
  }

  const byAuthority: [authority: string, server: string][] = [
    ["edge-1", "edge-1"],
    ["edge-2.hub.example", "edge-2"],
    ["EDGE-2.hub.example:9090", "edge-2"],
  ];
  for (const [authority, server] of byAuthority) {
    await t.step(`:authority ${authority}`, async () => {
      using named = new EchoClient(world.callAddress, {
        channel: { "grpc.default_authority": authority },
      });
      const id = requestId();
      ok(await named.unary({}, { metadata: { "x-echo-id": id } }));
      await seenBy(world, id, server);
    });
  }

  await t.step("metadata goes before :authority", async () => {
    using named = new EchoClient(world.callAddress, {
      channel: { "grpc.default_authority": "edge-1" },
    });
    const id = requestId();
    ok(await named.unary({}, { metadata: { "x-hub-server": "edge-2", "x-echo-id": id } }));
    await seenBy(world, id, "edge-2");
  });

  await t.step("calls on one connection go to different servers at once", async () => {
    const ids = Array.from({ length: 20 }, requestId);
    const server = (i: number) => `edge-${i % 2 + 1}`;
    const streams = ids.map((id, i) =>
      client.bidi({ metadata: { "x-hub-server": server(i), "x-echo-id": id } })
    );
    for (const { call } of streams) call.write({ data: text("one") });
    for (const { call } of streams.toReversed()) call.write({ data: text("two") });
    for (const { call } of streams) call.end();
    for (const { outcome } of streams) {
      assert.deepEqual(texts(ok(await outcome).responses), ["one", "two"]);
    }
    for (const [i, id] of ids.entries()) await seenBy(world, id, server(i));
  });

  await t.step("an answer tells its hop", async () => {
    const to = { metadata: { "x-hub-server": "edge-1" } };
    assert.equal(hop(ok(await client.unary({}, to))), "server 1");
    assert.equal(hop(await client.unary({ failCode: 9 }, to)), "server 1");
    assert.equal(hop(await client.unary({}, { metadata: { "x-hub-server": "edge-9" } })), "hub 0");
    const stream = client.serverStream({ count: 3, failCode: 13 }, to);
    assert.equal(hop(await stream.outcome), "server 1");
  });

  await t.step("a server cannot speak for the hub", async () => {
    const outcome = ok(
      await client.unary({}, {
        metadata: { "x-hub-server": "edge-1", "trail-x": "kept" },
      }),
    );
    assert.equal(joined(outcome.trailers, "trail-x"), "kept");
    assert.equal(hop(outcome), "server 1");
  });

  await t.step("no server is named: the error lists the names", async () => {
    const outcome = await client.unary({});
    assert.equal(outcome.code, Status.INVALID_ARGUMENT);
    assert.match(outcome.details, /edge-1, edge-2/);
    assert.equal(reason(outcome), "SERVER_NOT_NAMED");
    assert.equal(hop(outcome), "hub 0");
  });

  await t.step("a name that was never here: the error has the nearest names", async () => {
    const outcome = await client.unary({}, { metadata: { "x-hub-server": "egde-1" } });
    assert.equal(outcome.code, Status.NOT_FOUND);
    assert.match(outcome.details, /"egde-1".*edge-1/);
    assert.equal(reason(outcome), "SERVER_NOT_FOUND");
    assert.equal(hop(outcome), "hub 0");
  });

  const bad: [what: string, metadata: Headers, message: RegExp][] = [
    ["two different names", { "x-hub-server": "edge-1", name: "edge-2" }, /edge-1.*edge-2/],
    ["a name twice", { "x-hub-server": ["edge-1", "edge-2"] }, /twice|Bad server name/],
    ["a name that cannot be one", { "x-hub-server": "Edge 1" }, /Bad server name "Edge 1"/],
    ["a wait that cannot be read", { "x-hub-server": "edge-1", "x-hub-wait": "soon" }, /"soon"/],
  ];
  for (const [what, metadata, message] of bad) {
    await t.step(`${what} is refused`, async () => {
      const outcome = await client.unary({}, { metadata });
      assert.equal(outcome.code, Status.INVALID_ARGUMENT);
      assert.match(outcome.details, message);
      assert.equal(hop(outcome), "hub 0");
    });
  }

  await t.step("the hub answers its own services", async () => {
    const servers = await listServers(world.callAddress);
    assert.deepEqual([...servers.keys()], ["edge-1", "edge-2"]);
    assert.equal(servers.get("edge-1")?.state, "ONLINE");
    const health = await callOnce<{ status: string }>(
      world.callAddress,
      ["grpc.health.v1.Health", "Check"],
      { service: "ghub.v1.Hub" },
    );
    assert.equal(health.response?.status, "SERVING");
  });

  await t.step("with a name, health is the server's", async () => {
    const metadata = { "x-hub-server": "edge-1" };
    const method = ["grpc.health.v1.Health", "Check"] as const;
    const whole = await callOnce<{ status: string }>(world.callAddress, method, {}, { metadata });
    assert.equal(whole.response?.status, "SERVING");
    assert.equal(hop(whole), "server 1");
    const hubs = await callOnce(
      world.callAddress,
      method,
      { service: "ghub.v1.Hub" },
      { metadata },
    );
    assert.equal(hubs.code, Status.NOT_FOUND);
    assert.equal(hop(hubs), "server 1");
  });

  await t.step("nobody but the hub speaks ghub.v1.Tunnel", async () => {
    const outcome = await client.unknown("/ghub.v1.Tunnel/Welcome", {
      metadata: { "x-hub-server": "edge-1" },
    });
    assert.equal(outcome.code, Status.PERMISSION_DENIED);
    assert.equal(hop(outcome), "hub 0");
  });
});

Deno.test("routing tells of servers that are away, and can wait for them", async (t) => {
  await using world = await World.start({ servers: ["edge-1", "edge-2"] });
  using client = new EchoClient(world.callAddress);
  const to = (server: string, more: Headers = {}) => ({
    metadata: { "x-hub-server": server, ...more },
  });

  await t.step("a server that dies in mid-call: the outcome is unknown", async () => {
    const id = requestId();
    const call = client.unary({ hang: true }, to("edge-2", { "x-echo-id": id }));
    using other = world.path("edge-2").client();
    await other.record(id, ({ received }) => received === 1);
    await world.server("edge-2").kill();
    const outcome = await call;
    assert.equal(outcome.code, Status.UNAVAILABLE);
    assert.equal(hop(outcome), "hub 1");
    assert.equal(reason(outcome), "OUTCOME_UNKNOWN");
  });

  await t.step("known but away: the error says since when", async () => {
    const outcome = await until("the hub to know that edge-2 is away", async () => {
      const outcome = await client.unary({}, to("edge-2"));
      return reason(outcome) === "SERVER_OFFLINE" && outcome;
    });
    assert.equal(outcome.code, Status.UNAVAILABLE);
    assert.equal(hop(outcome), "hub 0");
    assert.match(outcome.details, /"edge-2" is away, last seen \d{4}-\d\d-\d\dT/);
    assert.ok(details(outcome).some(({ type }) => type === "google.rpc.RetryInfo"));
  });

  await t.step("the list still has it, if asked", async () => {
    const online = await listServers(world.callAddress);
    assert.deepEqual([...online.keys()], ["edge-1"]);
    const all = await listServers(world.callAddress, { includeOffline: true });
    assert.equal(all.get("edge-2")?.state, "OFFLINE");
    assert.notEqual(all.get("edge-2")?.lastCloseReason ?? "", "");
  });

  await t.step("C1: a call without a name does not go to the server that is left", async () => {
    const outcome = await client.unary({});
    assert.equal(outcome.code, Status.INVALID_ARGUMENT);
    assert.match(outcome.details, /edge-1, edge-2 \(away\)/);
    assert.equal(reason(outcome), "SERVER_NOT_NAMED");
    assert.equal(hop(outcome), "hub 0");
  });

  await t.step("x-hub-wait gives up when it said it would", async () => {
    const outcome = await client.unary({}, to("edge-2", { "x-hub-wait": "300ms" }));
    assert.equal(outcome.code, Status.UNAVAILABLE);
    assert.equal(hop(outcome), "hub 0");
  });

  await t.step("x-hub-wait stays inside the caller's deadline", async () => {
    const outcome = await client.unary({}, {
      ...to("edge-2", { "x-hub-wait": "1m" }),
      timeoutMs: 300,
    });
    assert.equal(outcome.code, Status.DEADLINE_EXCEEDED);
  });

  await t.step("x-hub-wait ends with the caller's cancel", async () => {
    const stop = new AbortController();
    const call = client.unary({}, {
      ...to("edge-2", { "x-hub-wait": "1m" }),
      signal: stop.signal,
    });
    ok(await client.unary({}, to("edge-1"))); // By now the first call has reached the hub.
    stop.abort();
    assert.equal((await call).code, Status.CANCELLED);
  });

  await t.step("x-hub-wait carries calls over to the server that comes back", async () => {
    const id = requestId();
    const timeoutMs = PATIENCE_MS;
    const unary = client.unary({ data: text("patience") }, {
      ...to("edge-2", { "x-hub-wait": "5m", "x-echo-id": id }),
      timeoutMs,
    });
    const stream = client.bidi(to("edge-2", { "x-hub-wait": "5m" }));
    stream.call.write({ data: text("written before") });
    stream.call.end();
    await world.startServer("edge-2");
    assert.deepEqual(texts(ok(await unary).responses), ["patience"]);
    assert.deepEqual(texts(ok(await stream.outcome).responses), ["written before"]);
    using other = world.path("edge-2").client();
    const { deadlineMs } = await other.record(id, () => true);
    assert.ok(deadlineMs !== null && deadlineMs < timeoutMs, `the server saw ${deadlineMs} ms`);
  });

  await t.step("a name comes back with a higher generation", async () => {
    const { generation = 0 } = (await listServers(world.callAddress)).get("edge-2") ?? {};
    assert.ok(Number(generation) > 1, `generation ${generation}`);
  });
});

Deno.test("C1: a hub that was restarted remembers whom a call without a name could mean", async () => {
  await using world = await World.start({ servers: ["edge-1"] });
  {
    using client = new EchoClient(world.callAddress);
    ok(await client.unary({})); // There is no other one.
    await world.startServer("edge-2");
    await world.server("edge-1").kill();
  }
  await world.hub.kill();
  await world.startHub();
  using client = new EchoClient(world.callAddress);
  await until("edge-2 to be back", async () => {
    return (await listServers(world.callAddress)).get("edge-2")?.state === "ONLINE";
  });
  const outcome = await client.unary({});
  assert.equal(outcome.code, Status.INVALID_ARGUMENT);
  assert.match(outcome.details, /edge-1 \(away\), edge-2/);
});
