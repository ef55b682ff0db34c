/**
 * Limits, one hub, several who want too much: who is refused is told so, and that nothing happened.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type net from "node:net";
import { release } from "../../shared/bytes/out_buffer.ts";
import type { echo_v1_EchoRequest as EchoRequest } from "../../shared/gen/types.ts";
import { prefixMessage } from "../../shared/grpc/message_prefix.ts";
import { root } from "../../shared/grpc/root.ts";
import { encodeMessage } from "../../shared/grpc/service.ts";
import { Status } from "../../shared/grpc/status.ts";
import { Connection } from "../../shared/http2/connection.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { ok } from "../call_suite/expect.ts";
import { callFields } from "../support/bare_call.ts";
import { EchoClient, type Outcome } from "../support/echo_client.ts";
import { hopOf, listed, reasonOf } from "../support/facts.ts";
import { dialTcp, drop } from "../support/path.ts";
import { connectPath, type HandshakeAnswer, shakeHands } from "../support/raw_path.ts";
import { callOnce, listServers } from "../support/typed_client.ts";
import { until, within } from "../support/until.ts";
import { World } from "../support/world.ts";

function assertRefused(outcome: Outcome, reason: string, message: RegExp): void {
  assert.equal(outcome.code, Status.RESOURCE_EXHAUSTED);
  assert.match(outcome.details, message);
  assert.deepEqual([hopOf(outcome), reasonOf(outcome)], ["hub 0", reason]);
}

Deno.test("calls over the limit of an operator or a server are refused, until others have ended", async (t) => {
  const table: [flag: string, message: RegExp][] = [
    ["--max-calls-per-operator", /^Operator "[^"]+" has 5 calls in flight, the limit; nothing was/],
    ["--max-calls-per-server", /^Server "edge-1" has 5 calls in flight, the limit; nothing was/],
  ];
  for (const [flag, message] of table) {
    await t.step(flag, async () => {
      await using world = await World.start({ hubArgs: [flag, "5"] });
      using client = world.path("edge-1").client();
      await until(
        "Welcome to be over",
        async () => ((await listed(world, "edge-1"))?.callsInFlight ?? 0) === 0,
      );
      const stop = new AbortController();
      const held = Array.from(
        { length: 5 },
        () => client.serverStream({ headersFirst: true, hang: true }, { signal: stop.signal }),
      );
      // An operator who looks at the hub is one of its callers as well.
      await Promise.all(
        held.map(({ call }) => new Promise((resolve) => call.once("metadata", resolve))),
      );
      assertRefused(await client.unary({}), "TOO_MANY_CALLS", message);
      stop.abort();
      await Promise.all(held.map(({ outcome }) => outcome));
      await until("room for a call", async () => (await client.unary({})).code === Status.OK);
    });
  }
});

Deno.test("raw connections count before their server has accepted them", async () => {
  await using world = await World.start({ hubArgs: ["--max-calls-per-operator", "5"] });
  const server = world.server("edge-1");
  await until(
    "Welcome to be over",
    async () => ((await listed(world, "edge-1"))?.callsInFlight ?? 0) === 0,
  );
  server.pause();
  const tries = Array.from(
    { length: 8 },
    () => shakeHands(world.callAddress, { server: "edge-1" }),
  );
  const answered: HandshakeAnswer[] = [];
  for (const one of tries) void one.then(({ answer }) => answered.push(answer));
  await until("three refusals", () => answered.length >= 3);
  server.resume();
  const answers = await Promise.all(tries);
  assert.equal(answers.filter(({ answer }) => answer.ok).length, 5);
  for (const { answer } of answers.filter(({ answer }) => !answer.ok)) {
    assert.equal(answer.code, "RESOURCE_EXHAUSTED");
    assert.match(answer.message ?? "", /has 5 calls in flight, the limit; nothing was delivered/);
  }
  for (const { socket } of answers) await drop(socket);
  await until("room for another", async () => {
    const { socket, answer } = await shakeHands(world.callAddress, { server: "edge-1" });
    await drop(socket);
    return answer.ok;
  });
});

Deno.test("no operator takes a server for itself alone", async () => {
  await using world = await World.start({ hubArgs: ["--max-calls-per-server", "20"] });
  const token = (await Deno.readTextFile(`${world.dir}/hub/operator.token`)).trim();
  using greedy = world.path("edge-1").client();
  using other = new EchoClient(world.callAddress, {
    metadata: { "x-hub-server": "edge-1", "authorization": `Bearer ${token}` },
  });
  await until(
    "Welcome to be over",
    async () => ((await listed(world, "edge-1"))?.callsInFlight ?? 0) === 0,
  );
  const stop = new AbortController();
  const held = Array.from(
    { length: 15 },
    () => greedy.serverStream({ headersFirst: true, hang: true }, { signal: stop.signal }),
  );
  await Promise.all(held.map(({ headers }) => headers));
  const message =
    /^Operator "loopback" has 15 of the 20 calls that server "edge-1" takes: the rest/;
  assertRefused(await greedy.unary({}), "TOO_MANY_CALLS", message);
  ok(await other.unary({}));
  stop.abort();
  await Promise.all(held.map(({ outcome }) => outcome));
  await until("room for a call", async () => (await greedy.unary({})).code === Status.OK);
});

Deno.test("a hub at its limit of memory refuses calls, can be looked at, and recovers", async () => {
  await using world = await World.start({ hubArgs: ["--max-memory", "128MiB"] });
  using client = world.path("edge-1").client();
  ok(await client.unary({}));
  const preface = Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
  ]);
  const sockets: net.Socket[] = [];
  for (let i = 0; i < 10; i++) {
    const some = Array.from({ length: 100 }, () => dialTcp(world.callAddress));
    for (const socket of await Promise.all(some)) {
      socket.on("error", () => {}).resume().write(preface);
      sockets.push(socket);
    }
  }
  const refused = await until("calls to be refused", async () => {
    const outcome = await client.unary({});
    return outcome.code !== Status.OK && outcome;
  });
  assertRefused(refused, "HUB_OUT_OF_MEMORY", /^The hub is at its limit of 128 MiB of memory/);
  const list = await callOnce(world.callAddress, ["ghub.v1.Hub", "ListServers"], {});
  assert.equal(list.code, Status.OK);
  for (const socket of sockets) socket.destroy();
  await until("calls to be taken again", async () => (await client.unary({})).code === Status.OK);
  await world.hub.says(/Calls are refused: \d+ of 134217728 bytes are in use/);
});

Deno.test("answers that nobody reads count as memory, and as calls of who asked for them", async (t) => {
  const message = prefixMessage(
    encodeMessage(root.lookupType("echo.v1.EchoRequest"), { count: 1, size: 60_000 }),
  );
  const fields = callFields({
    path: "/echo.v1.Echo/ServerStream",
    more: [["x-hub-server", "edge-1"]],
  });
  /** Calls on a connection that lets no stream send anything: their answers wait at the hub. */
  const ask = async (world: World, count: number) => {
    const socket = await dialTcp(world.callAddress);
    socket.on("error", () => {}).resume();
    socket.write(wire.join(wire.PREFACE, wire.settings([4, 0])));
    socket.write(wire.repeat(count, (i) => {
      const id = 2 * i + 1;
      return wire.join(wire.headers(id, fields), wire.data(id, message, wire.END_STREAM));
    }));
    return socket;
  };
  const table: [args: string[], count: number, reason: string, message: RegExp][] = [
    [["--max-memory", "128MiB"], 500, "HUB_OUT_OF_MEMORY", /^The hub is at its limit of 128 MiB/],
    [
      ["--max-calls-per-operator", "50"],
      50,
      "TOO_MANY_CALLS",
      /^Operator "loopback" has 50 calls in flight/,
    ],
  ];
  for (const [hubArgs, count, reason, message] of table) {
    await t.step(reason, async () => {
      await using world = await World.start({ hubArgs });
      using client = world.path("edge-1").client();
      const token = (await Deno.readTextFile(`${world.dir}/hub/operator.token`)).trim();
      const socket = await ask(world, count);
      // Not one call goes on at the server. By another operator: a list that is under way is a call as
      // well, and would have one of those refused.
      await until("all answers that the hub has room for", async () => {
        const edge = (await listServers(world.callAddress, {}, { token })).get("edge-1");
        if ((edge?.callsInFlight ?? 0) > 0) return false;
        // The first answers may fill the memory before the last call is in.
        return Number(edge?.callsTotal) >= count || (await client.unary({})).code !== Status.OK;
      });
      const refused = await until("calls to be refused", async () => {
        const outcome = await client.unary({});
        return outcome.code !== Status.OK && outcome;
      });
      assertRefused(refused, reason, message);
      socket.destroy();
      const isOk = async () => (await client.unary({})).code === Status.OK;
      await until("calls to be taken again", isOk);
    });
  }
});

Deno.test("who moves bytes too fast is slowed, in each mode, and others at the server are not", async () => {
  const KIB = 1 << 10;
  const rate = 1024 * KIB;
  const all = 8 * rate;
  await using world = await World.start({
    hubArgs: [
      ...["--max-bytes-per-second-per-operator", String(rate)],
      ...["--metrics-listen", "127.0.0.1:0"],
    ],
  });
  const token = (await Deno.readTextFile(`${world.dir}/hub/operator.token`)).trim();
  using fast = world.path("edge-1").client();
  using other = new EchoClient(world.callAddress, {
    metadata: { "x-hub-server": "edge-1", "authorization": `Bearer ${token}` },
  });
  const started = performance.now();
  let [fastIsDone, othersAreDone] = [false, false];
  const up = fast.clientStream();
  let sentBytes = 0;
  // Half of all, and more for as long as the others need, however slow the machine is.
  const sending = (async () => {
    for (; sentBytes < all / 2 || !othersAreDone; sentBytes += 16 * KIB) {
      const hasRoom = up.call.write({ data: new Uint8Array(16 * KIB) });
      if (!hasRoom) await within("room to write", once(up.call, "drain"));
    }
    up.call.end();
  })();
  const down = fast.serverStream({ count: all / 2 / (16 * KIB), size: 16 * KIB });
  const bothWays = Promise.all([up.outcome, down.outcome]).finally(() => fastIsDone = true);
  // From the beginning: with workers the page shows what was so when a second began.
  const slowed = until("metrics to show who waits", async () => {
    const text = await world.metrics();
    return Number(/^ghub_streams_slowed (\d+)$/m.exec(text)?.[1]) || fastIsDone;
  });
  for (let i = 0; i < 20; i++) ok(await other.unary({ data: new Uint8Array(KIB) }));
  const stream = ok(await other.serverStream({ count: 4, size: 32 * KIB }).outcome);
  assert.equal(stream.responses.length, 4);
  assert.equal(typeof await slowed, "number");
  assert.equal(fastIsDone, false, "the fast one waits meanwhile");
  othersAreDone = true;
  await sending;
  const [sent, received] = await bothWays;
  assert.equal(Number(ok(sent).responses[0]?.receivedBytes), sentBytes);
  assert.equal(ok(received).responses.length, all / 2 / (16 * KIB));
  // What may be saved up, and the first windows, are not waited for.
  const leastMs = (sentBytes + all / 2 - rate / 4 - 128 * KIB) / rate * 1_000;
  assert.ok(performance.now() - started >= leastMs, "no faster than it may be");

  using raw = connectPath(world.callAddress, "edge-1").client();
  const rawStarted = performance.now();
  const inside = raw.clientStream();
  for (let i = 0; i < 64; i++) inside.call.write({ data: new Uint8Array(16 * KIB) });
  inside.call.end();
  assert.equal(Number(ok(await inside.outcome).responses[0]?.receivedBytes), 1024 * KIB);
  assert.ok(performance.now() - rawStarted >= (1024 * KIB - rate / 4 - 128 * KIB) / rate * 1_000);
});

Deno.test("who lets answers lie is refused further calls, and others are not", async () => {
  await using world = await World.start({ hubArgs: ["--max-buffered-per-operator", "1MiB"] });
  const token = (await Deno.readTextFile(`${world.dir}/hub/operator.token`)).trim();
  using other = new EchoClient(world.callAddress, {
    metadata: { "x-hub-server": "edge-1", "authorization": `Bearer ${token}` },
  });
  using deaf = await DeafCaller.dial(world.callAddress);
  for (let i = 0; i < 20; i++) await deaf.call({ count: 100, size: 64 << 10 });
  using same = world.path("edge-1").client();
  const refused = await until("calls to be refused", async () => {
    const outcome = await same.unary({});
    return outcome.code !== Status.OK && outcome;
  });
  assertRefused(refused, "TOO_MANY_BUFFERED_BYTES", /^Operator "loopback" has not read \d+ bytes/);
  ok(await other.unary({}));
  deaf[Symbol.dispose]();
  await until("calls to be taken again", async () => (await same.unary({})).code === Status.OK);
});

/** A caller that allows its calls to be answered without end, and reads nothing. */
class DeafCaller implements Disposable {
  readonly #connection: Connection;
  readonly #socket: Deno.Conn;
  #closed = false;

  private constructor(socket: Deno.Conn) {
    const nothing = () => {};
    this.#socket = socket;
    this.#connection = new Connection({
      onOutput: nothing,
      onGoaway: nothing,
      onPong: nothing,
      onError: nothing,
      onFault: nothing,
      onRequest: () => assert.fail("A hub opens no stream"),
    }, { role: "client", connectionWindow: 256 << 20 });
    this.#connection.start();
  }

  static async dial(address: string): Promise<DeafCaller> {
    const { hostname, port } = new URL(`tcp://${address}`);
    return new DeafCaller(await Deno.connect({ hostname, port: Number(port) }));
  }

  async call(request: EchoRequest): Promise<void> {
    const nothing = () => {};
    const events = {
      onHeaders: nothing,
      onData: nothing,
      onReset: nothing,
      onCredit: nothing,
      onDrained: nothing,
    };
    const head = encodeHeaderList([
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/echo.v1.Echo/ServerStream"],
      [":authority", "hub"],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
      ["x-hub-server", "edge-1"],
    ]);
    const stream = this.#connection.request(head, false, events);
    this.#connection.grant(stream, 64 << 20);
    const message = encodeMessage(root.lookupType("echo.v1.EchoRequest"), request);
    this.#connection.data(stream, prefixMessage(message), true);
    for (const view of this.#connection.take()) {
      for (let at = 0; at < view.length;) at += await this.#socket.write(view.subarray(at));
      release(view);
    }
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.#socket.close();
    this.#closed = true;
  }
}
