/** A server with several hubs: which it holds, and what it does when one goes, comes back or says no. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import {
  ALREADY_HERE,
  HELD_HEADER,
  HUB_ID_HEADER,
  parseHeld,
} from "../../shared/registration/hub_id.ts";
import { rankHubs } from "../dial/hub_rank.ts";
import { type RunningServer, type ServerOptions, startServer } from "../server.ts";
import { testEcho } from "../testing/echo.ts";
import { type HubTunnel, TestHub, type TestHubOptions } from "../testing/hub.ts";
import { States } from "../testing/states.ts";

const NAME = "edge-1";

/** Waits of nothing: what is tried again is tried at once. */
const AT_ONCE = { backoff: { baseMs: 0 }, betterRetryMs: 20 };

function start(hubs: readonly TestHub[], options: Partial<ServerOptions> = {}) {
  return startServer({ name: NAME, hubUri: hubs.map(({ uri }) => uri), ...AT_ONCE, ...options });
}

/** Hubs that name themselves, in the order in which the server prefers them. */
async function rankedHubs(
  count: number,
  options: (i: number) => TestHubOptions = () => ({}),
): Promise<{ hubs: readonly TestHub[] } & AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const hubs: TestHub[] = [];
  for (let i = 0; i < count; i++) {
    const id = crypto.randomUUID();
    hubs.push(
      stack.use(await TestHub.start({ headers: () => ({ [HUB_ID_HEADER]: id }), ...options(i) })),
    );
  }
  const byKey = new Map(hubs.map((hub) => [hub.uri.href, hub]));
  const ranked = rankHubs(NAME, [...byKey.keys()].map((key) => ({ key })));
  return {
    hubs: ranked.map(({ key }) => byKey.get(key)!),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const standings = ({ hubs }: RunningServer) =>
  hubs.standings.map(({ hub, standing }) => [new URL(hub).port, standing]);
const echo = async (tunnel: HubTunnel) =>
  (await tunnel.call("echo.v1.Echo", "Unary", { data: Buffer.from("hello") })).status;
const refuseWith = (socket: Duplex, status: number, code: string) =>
  socket.end(
    `HTTP/1.1 ${status} No\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n` +
      JSON.stringify({ code, message: "no" }),
  );

Deno.test("of three hubs a server holds the best two, and serves on both", async () => {
  await using three = await rankedHubs(3);
  const [best, second, third] = three.hubs;
  await using server = await start(three.hubs, { services: [testEcho()] });
  const tunnels = await Promise.all([best!.tunnel(), second!.tunnel()]);
  assert.deepEqual(await Promise.all(tunnels.map(echo)), [0, 0]);
  assert.equal(third!.requests.length, 0);
  assert.equal(server.hubs.most, 2);
  const [a, b] = tunnels.map(({ request }) => request.headers["x-hub-meta-instance"]);
  assert.equal(a, b);
});

Deno.test("when a hub is lost the third takes its place, and gives it back when that returns", async () => {
  let isAway = false;
  await using three = await rankedHubs(3, () => ({
    refuse: (request, socket) => {
      if (!isAway || request.headers.host !== new URL(best!.uri).host) return false;
      refuseWith(socket, 503, "UNAVAILABLE");
      return true;
    },
  }));
  const [best, second, third] = three.hubs;
  const states = new States();
  await using server = await start(three.hubs, { services: [testEcho()], onState: states.onState });
  await Promise.all([best!.tunnel(), second!.tunnel()]);
  isAway = true;
  best!.cut();
  const inItsPlace = await third!.tunnel();
  // It is missed, and it is dialled on while the others serve.
  await states.next("waiting", best!.uri);
  await states.next("waiting", best!.uri);
  assert.equal(await echo(inItsPlace), 0);
  isAway = false;
  const back = await best!.tunnel();
  // First the new tunnel, then the old one's end, in good order.
  await inItsPlace.goaway;
  assert.match((await inItsPlace.closed)[1], /hubs that it prefers/);
  assert.equal(await echo(back), 0);
  assert.deepEqual(standings(server), [best, second].map((hub) => [String(hub!.port), "serving"]));
});

Deno.test("a hub that refuses for good does not stop the others", async () => {
  await using two = await rankedHubs(2, (i) => ({
    refuse: (_, socket) => {
      if (i === 0) refuseWith(socket, 401, "UNAUTHENTICATED");
      return i === 0;
    },
  }));
  const states = new States();
  await using server = await start(two.hubs, { onState: states.onState });
  const { why, waitMs } = await states.next("waiting");
  assert.match(why, /answered 401/);
  assert.ok(waitMs > 50_000);
  const good = await Promise.race(two.hubs.map((hub) => hub.tunnel()));
  assert.equal(good.request.headers["x-hub-meta-name"], NAME);
  assert.deepEqual(standings(server).map(([, standing]) => standing).sort(), [
    "failed",
    "serving",
  ]);
});

Deno.test("a hub that drains is left for another one at once, while its calls go on", async () => {
  await using three = await rankedHubs(3);
  const [best, second, third] = three.hubs;
  await using _server = await start(three.hubs, { services: [testEcho()] });
  const [leaving] = await Promise.all([best!.tunnel(), second!.tunnel()]);
  assert.equal(await echo(leaving), 0);
  leaving.sayGoaway();
  assert.equal(await echo(await third!.tunnel()), 0);
});

Deno.test("through a balancer: the same hub twice is one tunnel, and another one a second", async () => {
  // What a balancer in front of two hubs looks like from a server: one URI, and who answers differs.
  const ids = ["hub-a", "hub-a", "hub-a", "hub-b"];
  const held: (readonly string[])[] = [];
  const answering = new Map<IncomingMessage, string>();
  await using balancer = await TestHub.start({
    headers: (request) => ({ [HUB_ID_HEADER]: answering.get(request)! }),
    refuse: (request, socket) => {
      const id = ids.shift() ?? "hub-b";
      answering.set(request, id);
      const says = parseHeld(request.headers[HELD_HEADER.toLowerCase()]?.toString());
      held.push(says);
      if (!says.includes(id)) return false;
      refuseWith(socket, 409, ALREADY_HERE);
      return true;
    },
  });
  const states = new States();
  await using server = await start([balancer], { maxHubs: 2, onState: states.onState });
  await balancer.tunnel();
  const { waitMs, isHere } = await states.next("waiting");
  assert.ok(isHere && waitMs >= 270_000 && waitMs <= 330_000, `${waitMs}`);
  assert.deepEqual(held, [[], ["hub-a"]]);
  server.dialNow();
  await states.next("waiting");
  server.dialNow();
  await states.next("serving");
  assert.deepEqual(held, [[], ["hub-a"], ["hub-a"], ["hub-a"]]);
  assert.deepEqual(server.hubs.standings.map(({ standing }) => standing), ["serving", "serving"]);
});

Deno.test("a single hub is dialled once, unless more are asked for", async () => {
  await using one = await rankedHubs(1);
  await using server = await start(one.hubs, { services: [testEcho()] });
  assert.equal(await echo(await one.hubs[0]!.tunnel()), 0);
  assert.equal(one.hubs[0]!.requests.length, 1);
  assert.equal(one.hubs[0]!.requests[0]!.headers["x-hub-meta-renews"], undefined);
  assert.equal(server.hubs.most, 1);
});
