/**
 * Real hubs, linked, on a real etcd: calls from one hub to the server of another, while etcd dies, a hub is
 * frozen, and a hub leaves.
 */
import assert from "node:assert/strict";
import { EtcdEngine } from "../hub/engine/etcd_engine.ts";
import { startHub } from "../hub/hub.ts";
import type { RunningHub } from "../hub/hub_options.ts";
import { dialCalls, type Dialled, dialTunnel } from "../hub/testing/dialled.ts";
import { ANSWER, CALL, trailers } from "../hub/testing/relayed.ts";
import { encodeHeaderList } from "../shared/http2/hpack/encoder.ts";
import { Etcd, isWithoutEtcd } from "./support/etcd.ts";
import { until } from "./support/until.ts";

const ignore = isWithoutEtcd();
const ANYWHERE = { hostname: "127.0.0.1", port: 0 };
const SECRET = "the-secret-of-all-hubs-of-this-test-0001";
const TIMES = { ttlMs: 6_000, renewMs: 500 };
const [A, B] = ["a", "b"].map((letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`);

function start(name: string, etcd: Etcd): Promise<RunningHub> {
  return startHub({
    tunnelListen: ANYWHERE,
    callListen: ANYWHERE,
    cluster: {
      cluster: "hubs",
      hub: name,
      times: TIMES,
      open: () => new EtcdEngine({ members: etcd.addresses }),
    },
    peers: { listen: ANYWHERE, secret: SECRET },
  });
}

const instanceHeader = (instance: string) => ({ "X-Hub-Meta-Instance": instance });

/** A server that answers every call. */
async function serve(hub: RunningHub, name: string, instance: string): Promise<Dialled> {
  const server = await dialTunnel(hub.tunnelAddress, name, instanceHeader(instance));
  const { recorder } = server;
  const welcomed = recorder.onEvent!;
  recorder.onEvent = (stream, event) => {
    welcomed(stream, event);
    if (event !== "request" || !recorder.log.at(-1)!.includes("Echo")) return;
    recorder.connection.headers(stream, ANSWER, false);
    recorder.connection.headers(stream, trailers(), true);
  };
  return server;
}

/** Calls a server through a hub, once. @returns Its gRPC status. */
async function call(hub: RunningHub, server: string): Promise<string> {
  await using caller = await dialCalls(hub.callAddress);
  caller.recorder.request(
    encodeHeaderList([...CALL, ["x-hub-server", server], ["grpc-timeout", "20S"]]),
  );
  caller.flush();
  const line = await caller.heard(/^headers 1 .*grpc-status=/);
  return /grpc-status=(\d+)/.exec(line)![1]!;
}

const isMember = (...hubs: readonly RunningHub[]) =>
  until("all to be members", () => hubs.every(({ cluster }) => cluster?.state === "member"));

const answers = (hub: RunningHub, server: string) =>
  until(`${server} to answer`, async () => await call(hub, server) === "0");

/** Two linked hubs and an etcd of three members. */
async function two() {
  const etcd = await Etcd.start({ members: 3 });
  const [one, other] = await Promise.all([start("one", etcd), start("other", etcd)]);
  await isMember(one, other);
  return {
    etcd,
    one,
    other,
    async [Symbol.asyncDispose]() {
      for (const hub of [one, other]) hub.close();
      await Promise.all([one.closed, other.closed]);
      await etcd[Symbol.asyncDispose]();
    },
  };
}

Deno.test({
  name: "H12: a server at one hub answers calls through the other, also while etcd is away",
  ignore,
  fn: async (t) => {
    await using world = await two();
    const { etcd, one, other } = world;
    await using server = await serve(one, "edge-1", A!);
    await answers(one, "edge-1");
    await answers(other, "edge-1");
    await t.step("etcd dies: the tunnel stays, and calls go on at both hubs", async () => {
      await etcd.kill();
      await until(
        "both to be detached",
        () => [one, other].every(({ cluster }) => cluster?.state === "detached"),
      );
      for (const hub of [one, other, one, other]) assert.equal(await call(hub, "edge-1"), "0");
    });
    await using fresh = await serve(other, "edge-2", A!);
    await t.step(
      "a new server is taken, another instance of a known name is told to wait",
      async () => {
        assert.equal(await call(other, "edge-2"), "0");
        await assert.rejects(dialTunnel(other.tunnelAddress, "edge-1", instanceHeader(B!)), /503/);
      },
    );
    await t.step("etcd is back: all are members, and all know all", async () => {
      etcd.start();
      await isMember(one, other);
      await answers(one, "edge-2");
      assert.equal(other.cluster?.usage.provisional, 0);
      assert.ok(server.recorder.log.every((line) => !line.startsWith("goaway")));
      assert.ok(fresh.recorder.log.every((line) => !line.startsWith("goaway")));
    });
    await t.step("another instance displaces the first one at the other hub", async () => {
      await using newer = await serve(other, "edge-1", B!);
      await server.ended;
      await answers(one, "edge-1");
      assert.ok(newer.recorder.log.some((line) => line.includes("Echo")));
    });
  },
});

Deno.test({
  name: "H13: a hub that leaves says so to the others before its servers hear of it",
  ignore,
  fn: async () => {
    await using world = await two();
    const { one, other } = world;
    await using server = await serve(one, "edge-1", A!);
    await answers(other, "edge-1");
    const states: string[] = [];
    using _ = other.cluster!.onChange(() => {
      const hub = other.cluster!.hubs().find(({ name }) => name === "one");
      states.push(hub?.state ?? "gone");
    });
    await one.drain(AbortSignal.timeout(20_000));
    await server.ended;
    await until("its record to go", () => states.at(-1) === "gone");
    assert.deepEqual([...new Set(states)], ["draining", "gone"]);
  },
});
