/** How a hub tells its state in a cluster: in its list, its health and its probes. */
import assert from "node:assert/strict";
import type {
  ghub_v1_ListServersResponse as ListServersResponse,
  grpc_health_v1_HealthCheckResponse as HealthCheckResponse,
} from "../../shared/gen/types.ts";
import { until } from "../../tests/support/until.ts";
import { GivenEngine } from "../cluster/testing/given_engine.ts";
import { MemoryEngine } from "../engine/memory_engine.ts";
import { startHub } from "../hub.ts";
import { Asker } from "../testing/asker.ts";
import { dialTunnel } from "../testing/dialled.ts";
import { CLUSTER_HEALTH } from "./cluster_state.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };

Deno.test("a hub tells in its list and its health that it is a member, detached, and a member again", async () => {
  await using memory = new MemoryEngine();
  const engine = new GivenEngine(memory);
  await using hub = await startHub({
    tunnelListen: ANYWHERE,
    callListen: ANYWHERE,
    cluster: {
      cluster: "test",
      hub: "west",
      open: () => engine,
      times: { ttlMs: 3_000, renewMs: 200 },
    },
  });
  await using asker = await Asker.dial(hub.callAddress);
  const list = async () => (await asker.one<ListServersResponse>("ListServers")).cluster;
  const health = async (service: string) => {
    const { status } = await asker.one<HealthCheckResponse>("grpc.health.v1.Health/Check", {
      service,
    });
    return status;
  };
  const isReady = async () => {
    const url = new URL("/readyz", hub.tunnelAddress.replace("ws", "http"));
    const response = await fetch(url);
    await response.body?.cancel();
    return response.status;
  };
  await until("it to be a member", async () => (await list())?.state === "MEMBER");
  const member = await list();
  assert.deepEqual([member?.hub, member?.reason, member?.provisional], [
    "west",
    undefined,
    undefined,
  ]);
  await until("its health", async () => await health(CLUSTER_HEALTH) === "SERVING");
  engine.takeAway();
  await until("it to be detached", async () => (await list())?.state === "DETACHED");
  await using _server = await dialTunnel(hub.tunnelAddress, "edge-1");
  const detached = await list();
  assert.match(detached?.reason ?? "", /Taken away by the test/);
  assert.equal(detached?.provisional, 1);
  assert.notEqual(detached?.engineAway, undefined);
  await until("its health", async () => await health(CLUSTER_HEALTH) === "NOT_SERVING");
  // Calls go on, so a balancer must not take the hub away.
  assert.deepEqual([await health(""), await health("ghub"), await isReady()], [
    "SERVING",
    "SERVING",
    200,
  ]);
  engine.isAway = false;
  await until("it to be a member again", async () => {
    const cluster = await list();
    return cluster?.state === "MEMBER" && (cluster.provisional ?? 0) === 0;
  });
  await until("its health", async () => await health(CLUSTER_HEALTH) === "SERVING");
});

Deno.test("a hub that is alone says nothing of a cluster", async () => {
  await using hub = await startHub({ tunnelListen: ANYWHERE, callListen: ANYWHERE });
  await using asker = await Asker.dial(hub.callAddress);
  assert.equal((await asker.one<ListServersResponse>("ListServers")).cluster, undefined);
  await assert.rejects(
    asker.one("grpc.health.v1.Health/Check", { service: CLUSTER_HEALTH }),
    /NOT_FOUND|5/,
  );
});
