/**
 * The story of one call: from the server's registration to the last line of the audit, with all
 * that each of them sees of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Client, type MethodDefinition } from "@grpc/grpc-js";
import { HubCredentials } from "../shared/http2/testing/hub_credentials.ts";
import type { ghub_v1_Activity as Activity } from "../shared/gen/types.ts";
import { serviceDefinition } from "../shared/grpc_js/service_definition.ts";
import { joined, ok, text, texts } from "./call_suite/expect.ts";
import { toMetadata } from "./support/echo_client.ts";
import { drop } from "./support/path.ts";
import { listServers } from "./support/typed_client.ts";
import { until, within } from "./support/until.ts";
import { World } from "./support/world.ts";

/** Calls have so much time to end when their hub or server shall. */
const PATIENT = ["--drain-timeout", "10m"];

/** Listens to the hub's feed. */
function watch(address: string) {
  const { path, requestSerialize, responseDeserialize } = serviceDefinition("ghub.v1.Hub")
    .WatchActivity as MethodDefinition<object, Activity>;
  const client = new Client(address, new HubCredentials({}), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const feed: Activity[] = [];
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { servers: ["edge-1"], history: 10 },
    toMetadata({}),
  );
  call.on("data", (activity: Activity) => feed.push(activity));
  call.on("error", () => {}); // It is cancelled at the end.
  const ended = once(call, "status");
  return {
    feed,
    /** The first event of a kind that fits. */
    event: (kind: Activity["kind"], fits: (activity: Activity) => boolean = () => true) =>
      until(`${kind} in the feed`, () => feed.find((one) => one.kind === kind && fits(one))),
    async [Symbol.asyncDispose]() {
      call.cancel();
      await ended;
      client.close();
    },
  };
}

Deno.test("a call's whole way", async (t) => {
  await using world = await World.start({
    tls: true,
    servers: [],
    hubArgs: ["--audit-log", "stderr", ...PATIENT],
  });
  /** Lines of the audit, which has one line of JSON for each thing that happened. */
  const audit = () =>
    // The last one may not be whole yet.
    world.hub.stderr.split("\n").slice(0, -1).filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  await using activity = watch(world.callAddress);

  await t.step("a server dials out, over TLS, with its labels", async () => {
    await world.startServer({
      name: "edge-1",
      args: ["--labels", "env=prod,site=ams", ...PATIENT],
    });
    const { peer } = await activity.event("SERVER_REGISTERED");
    assert.match(peer ?? "", /^127\.0\.0\.1:\d+$/);
    const server = (await listServers(world.callAddress, { labels: { site: "ams" } }))
      .get("edge-1");
    assert.equal(server?.state, "ONLINE");
    assert.deepEqual(server?.labels, { env: "prod", site: "ams" });
    assert.equal(server?.remoteAddress, peer);
    assert.match(server?.instance ?? "", /^[0-9a-f-]{36}$/);
    const line = await until(
      "the audit's line",
      () => audit().find(({ kind }) => kind === "registration"),
    );
    assert.equal(line.server, "edge-1");
  });

  using client = world.path("edge-1").client();
  const { call, headers, outcome } = client.bidi({
    metadata: {
      "x-echo-id": "story",
      "echo-hello": "there",
      "trail-bye-bin": Uint8Array.of(1, 2),
      "x-hub-operator": "somebody else",
    },
    timeoutMs: 60_000,
  });

  await t.step("the server sees the call as the caller made it", async () => {
    const answered = once(call, "data");
    call.write({ data: text("one"), headersFirst: true });
    assert.equal(joined(await headers, "echo-hello"), "there");
    const [first] = await within("the first answer", answered);
    assert.deepEqual(texts([first]), ["one"]);
    const record = await client.record("story", ({ received }) => received === 1);
    assert.equal(record.method, "/echo.v1.Echo/Bidi");
    assert.equal(record.authority, world.callAddress);
    assert.ok(record.deadlineMs !== null && record.deadlineMs <= 60_000);
    // Who calls is for the hub to say, not for the caller.
    assert.deepEqual(record.metadata["x-hub-operator"], ["loopback"]);
  });

  await t.step("while it runs, the list shows it", async () => {
    // And it alone, once the hub has heard the end of the others.
    await until("one call to be in flight", async () => {
      const server = (await listServers(world.callAddress)).get("edge-1");
      return server?.callsInFlight === 1;
    });
  });

  await t.step("it ends with the server's trailers and the hub's", async () => {
    call.write({ data: text("two"), failCode: 9, failMessage: "enough" });
    const { code, details, responses, trailers } = await outcome;
    assert.deepEqual([code, details], [9, "enough"]);
    assert.deepEqual(texts(responses), ["one", "two"]);
    assert.equal(joined(trailers, "trail-bye-bin"), "AQI=");
    assert.equal(joined(trailers, "x-hub-hop"), "server");
    assert.equal(joined(trailers, "x-hub-forwarded"), "1");
  });

  await t.step("feed and audit tell the same of it", async () => {
    const event = await activity.event(
      "CALL_ENDED",
      ({ method }) => method === "/echo.v1.Echo/Bidi",
    );
    assert.equal(event.server, "edge-1");
    assert.equal(event.status, 9);
    assert.ok(Number(event.bytesUp) > 0 && Number(event.bytesDown) > 0);
    const line = await until(
      "the audit's line",
      () => audit().find(({ kind, id }) => kind === "call" && id === event.id),
    );
    assert.equal(line.who, "loopback");
    assert.equal(line.peer, event.peer);
    assert.equal(line.method, event.method);
    assert.equal(line.status, "FAILED_PRECONDITION");
    assert.equal(line.bytesUp, Number(event.bytesUp));
  });

  await t.step("a server that is stopped ends its calls first", async () => {
    const last = client.bidi();
    const answered = once(last.call, "data");
    last.call.write({ data: text("before") });
    await within("an answer", answered);
    const server = world.server("edge-1");
    server.signal("SIGTERM");
    await until(
      "the server to take no new calls",
      async () => (await listServers(world.callAddress)).get("edge-1")?.state !== "ONLINE",
    );
    const again = once(last.call, "data");
    last.call.write({ data: text("after") });
    const [response] = await within("an answer of the draining server", again);
    assert.deepEqual(texts([response]), ["after"]);
    last.call.end();
    ok(await last.outcome);
    assert.deepEqual(await server.ended(), { code: 0, signal: null });
    const { reason } = await activity.event("SERVER_LEFT");
    assert.notEqual(reason, "");
  });

  await t.step("a hub that is stopped ends the calls in flight first", async () => {
    await world.startServer("edge-1");
    const last = client.bidi();
    const answered = once(last.call, "data");
    last.call.write({ data: text("before") });
    await within("an answer", answered);
    world.hub.signal("SIGTERM");
    await until(
      "the hub to take no new connections",
      () => world.dial().then(drop).then(() => false, () => true),
    );
    const again = once(last.call, "data");
    last.call.write({ data: text("after") });
    const [response] = await within("an answer through the draining hub", again);
    assert.deepEqual(texts([response]), ["after"]);
    last.call.end();
    ok(await last.outcome);
    assert.deepEqual(await world.hub.ended(), { code: 0, signal: null });
  });
});
