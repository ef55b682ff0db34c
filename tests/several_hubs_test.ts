/**
 * Several hubs without an engine: one is killed or drained under load, comes back, stands behind a
 * balancer. Real processes; the callers are gclient's own code (docs/cluster.md, step 1).
 */
import assert from "node:assert/strict";
import net from "node:net";
import { attemptCall, type CallPlan } from "../client/call/attempt.ts";
import { messageTypes } from "../client/call/call.ts";
import { type Delivery, deliveryOf } from "../client/call/delivery.ts";
import { parseHostPort } from "../shared/cli/parse_host_port.ts";
import { root } from "../shared/grpc/root.ts";
import { methodOf } from "../shared/grpc/service.ts";
import { HubGroup } from "./support/hub_group.ts";
import { type Process, source } from "./support/process.ts";
import { Process as Program } from "./support/process.ts";
import { until } from "./support/until.ts";

const WITNESS = "tests/support/witness_gserver.ts";
const WORKERS = 8;
/** Each call is long enough that some are under way at any moment. */
const CALL_MS = 15;
/** Nobody waits for the end of a call that is held. */
const HELD_MS = 600_000;
/** Calls before the fault, and after it. */
const ENOUGH = 60;

/** A call that ended, as its caller knows it. */
interface Ended {
  readonly id: string;
  readonly startedMs: number;
  readonly outcome: "ok" | Delivery;
  readonly status: string;
  readonly hub: string;
}

/** Calls one after the other, by several workers, until it is stopped. */
class Load {
  readonly ended: Ended[] = [];
  readonly #hubs: readonly string[];
  readonly #workers: Promise<void>[];
  #isStopped = false;

  /** @param hubs Half of the workers begin with the first one, half with the last one. */
  constructor(hubs: readonly string[], server: string) {
    this.#hubs = hubs;
    this.#workers = Array.from({ length: WORKERS }, async (_, i) => {
      const order = i % 2 === 0 ? hubs : hubs.toReversed();
      while (!this.#isStopped) this.ended.push(await this.#one(order, server));
    });
  }

  async stop(): Promise<readonly Ended[]> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
    return this.ended;
  }

  /** Waits for more calls that were well. */
  async more(count = ENOUGH): Promise<void> {
    const isOk = ({ outcome }: Ended) => outcome === "ok";
    const before = this.ended.filter(isOk).length;
    await until(
      `${count} more calls at ${this.#hubs}`,
      () => this.ended.filter(isOk).length >= before + count,
    );
  }

  /** A call that only the end of its hub ends. */
  hold(hubs: readonly string[], server: string): { readonly id: string } {
    const id = crypto.randomUUID();
    this.#workers.push(
      this.#one(hubs, server, { id, delayMs: HELD_MS }).then((one) => void this.ended.push(one)),
    );
    return { id };
  }

  async #one(
    hubs: readonly string[],
    server: string,
    { id = crypto.randomUUID(), delayMs = CALL_MS as number } = {},
  ): Promise<Ended> {
    const startedMs = performance.now();
    const plan = planOf(hubs, server, { id, delayMs });
    const { error, hub, connected, refused } = await attemptCall(plan, () => Promise.resolve());
    const address = hub?.address.port ?? plan.address.port;
    return {
      id,
      startedMs,
      outcome: error === undefined ? "ok" : deliveryOf(error, { connected, refused }),
      status: error?.message ?? "",
      hub: hubs.find((one) => one.endsWith(`:${address}`))!,
    };
  }
}

function planOf(
  hubs: readonly string[],
  server: string,
  { id, delayMs }: { readonly id: string; readonly delayMs: number },
): CallPlan {
  const method = methodOf(root, "echo.v1.Echo/Unary")!;
  const { request } = messageTypes(method);
  const [first, ...otherHubs] = hubs.map((hub) => ({
    address: parseHostPort(hub, { usualPort: 9090 }),
    tls: undefined,
    proxy: undefined,
  }));
  return {
    ...first!,
    otherHubs,
    method,
    requests: [request.create({ delayMs })],
    server,
    token: undefined,
    raw: false,
    waitForServerMs: 0,
    headers: [{ key: "x-call-id", value: id }],
    deadline: Date.now() + HELD_MS,
    connectTimeoutMs: HELD_MS,
    signal: new AbortController().signal,
    trace: undefined,
  };
}

/** How often the server saw each call: read as it comes. */
function countCalls(server: Process): ReadonlyMap<string, number> {
  const seen = new Map<string, number>();
  const read = async () => {
    for (;;) {
      const [, json = ""] = await server.line(/^saw (.*)$/);
      const id = String(JSON.parse(json).headers["x-call-id"] ?? "");
      if (id !== "") seen.set(id, (seen.get(id) ?? 0) + 1);
    }
  };
  read().catch(() => {}); // It has ended.
  return seen;
}

/** What the callers were told is what the server has counted. */
async function assertTruth(ended: readonly Ended[], seen: ReadonlyMap<string, number>) {
  const times = ({ id }: Ended) => seen.get(id) ?? 0;
  const ok = ended.filter(({ outcome }) => outcome === "ok");
  await until("all that was well in the server's count", () => ok.every((one) => times(one) > 0));
  for (const one of ended) {
    const [least, most] = {
      "ok": [1, 1],
      "not-delivered": [0, 0],
      "answered": [1, 1],
      "unknown": [0, 1],
    }[
      one.outcome
    ] as [number, number];
    assert.ok(
      times(one) >= least && times(one) <= most,
      `${times(one)} times: ${JSON.stringify(one)}`,
    );
  }
}

Deno.test("a hub that is killed under load takes along only the calls on their way through it", async () => {
  await using group = await HubGroup.start(2);
  const [a, b] = group.hubs;
  const edge = await group.startServer("edge-1", { program: WITNESS });
  const seen = countCalls(edge);
  const load = new Load([a!.callAddress, b!.callAddress], "edge-1");
  const held = load.hold([a!.callAddress, b!.callAddress], "edge-1");
  await load.more();
  await until("the held call at the server", () => seen.has(held.id));
  const killedMs = performance.now();
  a!.process.signal("SIGKILL");
  await a!.process.ended();
  await load.more();
  const ended = await load.stop();
  await assertTruth(ended, seen);
  const lost = ended.filter(({ outcome }) => outcome !== "ok");
  assert.ok(lost.some(({ id }) => id === held.id), "the held call was on its way through the hub");
  for (const one of lost) {
    assert.deepEqual([one.outcome, one.hub], ["unknown", a!.callAddress], JSON.stringify(one));
    assert.ok(one.startedMs <= killedMs, JSON.stringify(one));
  }
  // It comes back, and the server's tunnel with it, without anybody's help.
  await group.restart(a!);
  await until("the server at the hub that is back", async () => {
    const { stdout } = await Program.run([
      ...source("client/main.ts"),
      ...["hub", "servers", "-n", "-o", "json", "-s", a!.callAddress],
    ]);
    return stdout.includes("edge-1");
  });
});

Deno.test("a hub that drains under load loses no call", async () => {
  await using group = await HubGroup.start(2);
  const [a, b] = group.hubs;
  const edge = await group.startServer("edge-1", { program: WITNESS });
  const seen = countCalls(edge);
  const load = new Load([a!.callAddress, b!.callAddress], "edge-1");
  await load.more();
  a!.process.signal("SIGTERM");
  assert.equal((await a!.process.ended()).code, 0);
  await load.more();
  const ended = await load.stop();
  await assertTruth(ended, seen);
  assert.deepEqual(ended.filter(({ outcome }) => outcome !== "ok"), []);
});

Deno.test("three servers spread over three hubs, and each is reached by whoever knows the hubs", async () => {
  await using group = await HubGroup.start(3);
  const names = ["edge-1", "edge-2", "edge-3"];
  await Promise.all(names.map((name) => group.startServer(name)));
  const gclient = async (...args: string[]) => {
    const { code, stdout, stderr } = await Program.run([
      ...source("client/main.ts"),
      ...[...args, "-o", "json", "-s", group.callAddresses],
    ]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const { servers } = JSON.parse(await gclient("hub", "servers", "-n"));
  assert.deepEqual(servers.map(({ name }: { name: string }) => name), names);
  for (const { name, hubs } of servers) {
    assert.equal(hubs.length, 2, name);
    assert.equal(
      JSON.parse(await gclient("call", "echo.v1.Echo/Unary", name, "-d", "{}")).index,
      undefined,
    );
  }
});

Deno.test("through a balancer a server finds the second hub, and never two tunnels to one", async () => {
  await using group = await HubGroup.start(2);
  const [a, b] = group.hubs.map(({ tunnelUri }) => new URL(tunnelUri));
  // Twice the same hub, then the other one.
  const targets = [a!, a!, b!];
  const sockets = new Set<net.Socket>();
  let dials = 0;
  const balancer = net.createServer((socket) => {
    const { hostname, port } = targets[Math.min(dials++, targets.length - 1)]!;
    const onward = net.connect(Number(port), hostname);
    for (const one of [socket, onward]) {
      sockets.add(one);
      one.on("error", () => {});
      one.once("close", () => {
        sockets.delete(one);
        socket.destroy();
        onward.destroy();
      });
    }
    socket.pipe(onward);
    onward.pipe(socket);
  });
  await new Promise<void>((resolve) => balancer.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = balancer.address() as net.AddressInfo;
    const edge = await group.startServer("edge-1", {
      hubUris: [`ws://127.0.0.1:${port}/ws`],
      tunnels: 1,
      args: ["--max-hubs", "2", "--log-level", "debug"],
    });
    await edge.says(/has a tunnel of .*at this hub already/);
    // Nothing but a reload, or five minutes, has it try again.
    edge.signal("SIGHUP");
    await edge.line(/^gserver ready server=edge-1/);
    assert.equal(dials, 3);
    assert.doesNotMatch(edge.stderr, /Tunnel lost|closed the tunnel/);
    const { stdout } = await Program.run([
      ...source("client/main.ts"),
      ...["hub", "servers", "-n", "-o", "json", "-s", group.callAddresses],
    ]);
    assert.equal(JSON.parse(stdout).servers[0].hubs.length, 2);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => balancer.close(resolve));
  }
});
