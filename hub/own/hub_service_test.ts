import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { Buffer } from "node:buffer";
import type {
  ghub_v1_Activity as Activity,
  ghub_v1_ListServersResponse as ListServersResponse,
} from "../../shared/gen/types.ts";
import { root } from "../../shared/grpc/root.ts";
import { decodeMessage, encodeMessage } from "../../shared/grpc/service.ts";
import { serveTcp } from "../../shared/grpc_server/testing/serve_tcp.ts";
import { ActivityFeed } from "../observe/activity_feed.ts";
import { someServers } from "../testing/some_servers.ts";
import { createOwnServices } from "./hub_service.ts";
import { Registry } from "../registry/registry.ts";

/** The hub's services with a client on a real HTTP/2 connection. */
class World implements AsyncDisposable {
  readonly registry = new Registry();
  readonly activity = new ActivityFeed();
  readonly services = createOwnServices(this);
  readonly served = serveTcp(this.services.server);
  readonly session = http2.connect(`http://${this.served.address}`);

  /** Sends one message and no more; the caller reads the answer. */
  call(path: string, type: string, request: object): http2.ClientHttp2Stream {
    const stream = this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      "te": "trailers",
    });
    const message = encodeMessage(root.lookupType(type), request);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
    return stream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.session, "close");
    this.services.close();
    this.session.destroy();
    await closed;
    await this.served[Symbol.asyncDispose]();
  }
}

/** Messages of a stream, as they come. */
async function* messages<T>(stream: http2.ClientHttp2Stream, type: string): AsyncGenerator<T> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      yield decodeMessage<T>(root.lookupType(type), rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  }
}

Deno.test("createOwnServices() answers ListServers with all that is known", async () => {
  await using world = new World();
  await someServers(world.registry);
  const stream = world.call("/ghub.v1.Hub/ListServers", "ghub.v1.ListServersRequest", {
    includeOffline: true,
  });
  const [response] = await Array.fromAsync(
    messages<ListServersResponse>(stream, "ghub.v1.ListServersResponse"),
  );
  const { servers = [] } = response ?? {};
  assert.deepEqual(servers.find(({ name }) => name === "edge-4"), {
    name: "edge-4",
    state: "ONLINE",
    labels: { env: "prod" },
    tunnelId: "tunnel-edge-4-2",
    generation: 2,
    hubs: [],
    instance: "5f0c8f0e-0a1b-4c2d-8e3f-0123456789ab",
    version: "0.1.0",
    remoteAddress: "192.0.2.7:4711",
    connectedAt: { seconds: 1 },
    lastSeen: { seconds: 5 },
    lastCloseReason: "Peer went away",
    rtt: { nanos: 1_500_000 },
    callsInFlight: 1,
    callsTotal: 2,
  });
});

Deno.test("createOwnServices() streams activity until the caller leaves", async () => {
  await using world = new World();
  const { activity } = world;
  activity.publish({ kind: "SERVER_REGISTERED", server: "edge-1" });
  activity.publish({ kind: "SERVER_REGISTERED", server: "edge-2" });
  const stream = world.call("/ghub.v1.Hub/WatchActivity", "ghub.v1.WatchActivityRequest", {
    servers: ["edge-1"],
    history: 5000,
  });
  const events = messages<Activity>(stream, "ghub.v1.Activity");
  assert.equal((await events.next()).value?.seq, 1);
  activity.publish({ kind: "CALL_ENDED", server: "edge-1", status: 14, durationMs: 2 });
  const { value } = await events.next();
  assert.equal(value?.kind, "CALL_ENDED");
  assert.equal(value?.status, 14);
  assert.equal(activity.watching, 1);
  stream.close(http2.constants.NGHTTP2_CANCEL);
  while (activity.watching > 0) await new Promise((resolve) => setTimeout(resolve, 1));
});

Deno.test("createOwnServices() ends all that watch when it drains", async () => {
  await using world = new World();
  world.activity.publish({ kind: "SERVER_REGISTERED", server: "edge-1" });
  const stream = world.call("/ghub.v1.Hub/WatchActivity", "ghub.v1.WatchActivityRequest", {
    history: 1,
  });
  const events = messages<Activity>(stream, "ghub.v1.Activity");
  assert.equal((await events.next()).value?.seq, 1);
  world.services.drain();
  assert.equal((await events.next()).done, true);
});

Deno.test("createOwnServices() serves health and reflection", async () => {
  await using world = new World();
  const check = async (service: string) => {
    const path = "/grpc.health.v1.Health/Check";
    const stream = world.call(path, "grpc.health.v1.HealthCheckRequest", { service });
    const type = "grpc.health.v1.HealthCheckResponse";
    return (await Array.fromAsync(messages<{ status: string }>(stream, type)))[0]?.status;
  };
  assert.equal(await check(""), "SERVING");
  assert.equal(await check("ghub.v1.Hub"), "SERVING");
  assert.equal(await check("fluentd.v1.Fluentd"), undefined);
  for (const version of ["v1", "v1alpha"]) {
    const base = `grpc.reflection.${version}`;
    const stream = world.call(
      `/${base}.ServerReflection/ServerReflectionInfo`,
      `${base}.ServerReflectionRequest`,
      { listServices: "" },
    );
    const type = `${base}.ServerReflectionResponse`;
    const [answer] = await Array.fromAsync(
      messages<{ listServicesResponse: { service: { name: string }[] } }>(stream, type),
    );
    const names = answer?.listServicesResponse.service.map(({ name }) => name);
    assert.ok(names?.includes("ghub.v1.Hub"));
    assert.ok(!names?.includes("ghub.v1.Tunnel"));
  }
  world.services.drain();
  assert.equal(await check(""), "NOT_SERVING");
});

Deno.test("createOwnServices() ends all calls when it is closed", async () => {
  await using world = new World();
  const stream = world.call(
    "/grpc.health.v1.Health/Watch",
    "grpc.health.v1.HealthCheckRequest",
    {},
  );
  stream.on("error", () => {});
  await once(stream, "data");
  assert.equal(world.services.server.connections.size, 1);
  world.services.close();
  assert.equal(world.services.server.connections.size, 0);
  assert.equal(world.services.heldBytes, 0);
});
