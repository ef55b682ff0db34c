/**
 * Links with the real view: hubs of one cluster whose engine is in memory, and nobody who tells them
 * of each other.
 */
import assert from "node:assert/strict";
import type { ghub_v1_ListServersResponse as ListServersResponse } from "../../shared/gen/types.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { until } from "../../tests/support/until.ts";
import type { ClusterSetup } from "../cluster/setup.ts";
import { ClusterKeys } from "../cluster/keys.ts";
import { GivenEngine } from "../cluster/testing/given_engine.ts";
import { MemoryEngine } from "../engine/memory_engine.ts";
import { startHub } from "../hub.ts";
import { Asker } from "../testing/asker.ts";
import { dialCalls, type Dialled, dialTunnel } from "../testing/dialled.ts";
import { ANSWER, CALL, trailers } from "../testing/relayed.ts";
import { PEER_SECRET } from "../testing/linked_hubs.ts";

const ANYWHERE = { hostname: "127.0.0.1", port: 0 };

function member(hub: string, engine: GivenEngine, times?: ClusterSetup["times"]) {
  return startHub({
    tunnelListen: ANYWHERE,
    callListen: ANYWHERE,
    cluster: { cluster: "test", hub, open: () => engine, ...(times && { times }) },
    peers: { listen: ANYWHERE, secret: PEER_SECRET },
  });
}

const to = (server: string) =>
  encodeHeaderList([...CALL, ["x-hub-server", server], ["x-hub-wait", "30s"]]);

async function answers(caller: Dialled, server: Dialled, name: string): Promise<void> {
  const made = caller.recorder.request(to(name), true);
  caller.flush();
  const known = new Set(server.recorder.streams.keys());
  const id = await until("the call at the server", () => {
    const opened = [...server.recorder.log].find((line) => {
      const [what, id] = line.split(" ");
      return what === "open" && line.includes("Echo") && !known.has(Number(id));
    });
    return opened?.split(" ")[1];
  });
  const stream = server.recorder.streams.get(Number(id))!;
  server.recorder.connection.headers(stream, ANSWER, false);
  server.recorder.connection.headers(stream, trailers(), true);
  server.flush();
  assert.match(
    await caller.heard(new RegExp(`^headers ${made.id} .*grpc-status`)),
    /grpc-status=0/,
  );
}

Deno.test("hubs of a cluster find each other's servers, and calls go on while the engine is away", async () => {
  await using engine = new MemoryEngine();
  const engines = [new GivenEngine(engine), new GivenEngine(engine)] as const;
  await using a = await member("a", engines[0]);
  await using b = await member("b", engines[1]);
  await using server = await dialTunnel(b.tunnelAddress, "edge-1");
  await using near = await dialTunnel(a.tunnelAddress, "edge-2");
  await using atA = await dialCalls(a.callAddress);
  await using atB = await dialCalls(b.callAddress);
  await answers(atA, server, "edge-1");
  await answers(atB, near, "edge-2");
  for (const one of engines) one.takeAway();
  await answers(atA, server, "edge-1");
  await answers(atB, near, "edge-2");
});

Deno.test("a server whose claim ends after the drain has begun is sent away, and its place goes", async () => {
  await using engine = new MemoryEngine();
  const given = new GivenEngine(engine);
  await using a = await member("a", given);
  await using b = await member("b", new GivenEngine(engine));
  await until("both to be members", () => [a, b].every((hub) => hub.cluster?.state === "member"));
  const [claim, leave] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  given.hold = claim.promise;
  const dialled = assert.rejects(dialTunnel(a.tunnelAddress, "edge-1"), /503/);
  await until("the claim", () => given.held === 1);
  given.hold = leave.promise;
  const drained = a.drain();
  claim.resolve();
  await dialled;
  leave.resolve();
  await drained;
  assert.deepEqual((await engine.read(`${new ClusterKeys("test").prefix}at/`)).entries, []);
});

Deno.test("H16: a call that an old view sends to the wrong hub is the last one: the name is read again", async () => {
  await using engine = new MemoryEngine();
  const late = new GivenEngine(engine);
  await using a = await member("a", late);
  await using b = await member("b", new GivenEngine(engine));
  await using c = await member("c", new GivenEngine(engine));
  await using caller = await dialCalls(a.callAddress);
  {
    await using server = await dialTunnel(b.tunnelAddress, "edge-1");
    await answers(caller, server, "edge-1");
    await until("both links", () => a.links?.up === 2);
    late.holdWatch = new Promise<never>(() => {});
  }
  await until("it to have left", () => b.cluster?.departureOf("edge-1")?.left !== undefined);
  await using moved = await dialTunnel(c.tunnelAddress, "edge-1");
  const refused = caller.recorder.request(encodeHeaderList([...CALL, ["x-hub-server", "edge-1"]]));
  caller.flush();
  const line = await caller.heard(new RegExp(`^headers ${refused.id} .*grpc-status`));
  assert.match(line, /x-hub-forwarded=0/);
  assert.equal(a.links?.forwarded.refused, 1);
  await answers(caller, moved, "edge-1");
  assert.deepEqual(a.links?.forwarded, { answered: 2, refused: 1, unknown: 0, stopped: 0 });
  assert.deepEqual(a.cluster?.placesOf("edge-1").map(({ hub }) => hub.name), ["c"]);
});

Deno.test("a call waits where its server registers, if the other hub has heard of that first", async () => {
  await using engine = new MemoryEngine();
  const slow = new GivenEngine(engine);
  await using a = await member("a", new GivenEngine(engine));
  await using b = await member("b", slow);
  await using other = await dialTunnel(b.tunnelAddress, "edge-0");
  await using caller = await dialCalls(a.callAddress);
  await answers(caller, other, "edge-0");
  const told = Promise.withResolvers<void>();
  slow.holdAnswer = told.promise;
  const waiting = caller.recorder.request(to("edge-1"), true);
  caller.flush();
  const dialled = dialTunnel(b.tunnelAddress, "edge-1");
  await until("its place", () => a.cluster?.placesOf("edge-1").length === 1);
  // It is sent on at once, and this one behind it on the same link: so both have come to the other hub.
  await answers(caller, other, "edge-0");
  told.resolve();
  await using server = await dialled;
  const opened = await server.heard(/^open \d+ .*Echo/);
  const stream = server.recorder.streams.get(Number(opened.split(" ")[1]))!;
  server.recorder.connection.headers(stream, ANSWER, false);
  server.recorder.connection.headers(stream, trailers(), true);
  server.flush();
  assert.match(
    await caller.heard(new RegExp(`^headers ${waiting.id} .*grpc-status`)),
    /grpc-status=0/,
  );
});

Deno.test("H17: a call to a server of a hub that died is told that the server is away, and since when", async () => {
  await using engine = new MemoryEngine();
  const [times, dead] = [{ ttlMs: 2_000, renewMs: 200 }, new GivenEngine(engine)];
  await using a = await member("a", new GivenEngine(engine), times);
  await using caller = await dialCalls(a.callAddress);
  await using asker = await Asker.dial(a.callAddress);
  {
    await using b = await member("b", dead, times);
    await using server = await dialTunnel(b.tunnelAddress, "edge-1");
    await answers(caller, server, "edge-1");
    dead.takeAway(); // It ends without a word.
    b.close();
  }
  await until("its session to end", () => a.cluster?.hubs().length === 1);
  const made = caller.recorder.request(encodeHeaderList([...CALL, ["x-hub-server", "edge-1"]]));
  caller.flush();
  const line = await caller.heard(new RegExp(`^headers ${made.id} .*grpc-status`));
  assert.match(line, /grpc-status=14 .*away/);
  assert.match(line, /x-hub-forwarded=0/);
  const { servers = [] } = await asker.one<ListServersResponse>("ListServers", {
    includeOffline: true,
  });
  assert.deepEqual(
    servers.map(({ name, state, lastCloseReason }) => [name, state, lastCloseReason]),
    [
      ["edge-1", "OFFLINE", 'Hub "b" was lost'],
    ],
  );
  assert.deepEqual((await asker.one<ListServersResponse>("ListServers")).servers ?? [], []);
});

Deno.test("a server that moves to another hub is called there at once", async () => {
  await using engine = new MemoryEngine();
  await using a = await member("a", new GivenEngine(engine));
  await using b = await member("b", new GivenEngine(engine));
  await using caller = await dialCalls(a.callAddress);
  {
    await using server = await dialTunnel(b.tunnelAddress, "edge-1");
    await answers(caller, server, "edge-1");
  }
  await using moved = await dialTunnel(a.tunnelAddress, "edge-1");
  await answers(caller, moved, "edge-1");
});
