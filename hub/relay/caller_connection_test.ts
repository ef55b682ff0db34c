/**
 * One connection of a caller, on a socket that a test holds: its life, and what it is refused.
 */
import assert from "node:assert/strict";
import { errorInfo, RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { Connection } from "../../shared/http2/connection.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import type { HeaderList } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { NOTHING } from "../../shared/rules/rules.ts";
import { Deadlines } from "./deadlines.ts";
import {
  MAX_REFUSED_PER_ADDRESS,
  MAX_REFUSED_PER_CONNECTION,
  RefusedCalls,
} from "../limits/refused_calls.ts";
import {
  CallerConnection,
  DEAD_AFTER_S,
  MAX_CALLER_STALL_S,
  PING_AFTER_S,
  type RelayContext,
} from "./caller_connection.ts";
import { ResetPacer } from "../peer/reset_pacer.ts";
import { MAX_BACKLOG, ReceiveBudget } from "../peer/receive_budget.ts";
import { settler } from "../testing/settler.ts";
import { FakeSocket, turns } from "../testing/socket.ts";
import { CALL } from "../testing/relayed.ts";
import type { CallTarget } from "../peer/call_target.ts";

/** A tunnel to a server that never says anything. */
function silentServer(): CallTarget & { readonly connection: Connection } {
  const nobody = {
    onOutput() {},
    onGoaway() {},
    onPong() {},
    onError() {},
    onFault() {},
    onRequest: () => assert.fail(),
  };
  const connection = new Connection(nobody, { role: "client" });
  return {
    connection,
    name: "edge-1",
    hop: "server",
    side: new ReceiveBudget(connection),
    resets: new ResetPacer(connection),
    lost: undefined,
    callsTotal: 0,
  };
}

/** A caller that is served, and how its calls ended. */
async function begin(
  change: Partial<RelayContext["router"]> = {},
  refusedCalls = new RefusedCalls(),
  forwarder?: RelayContext["forwarder"],
) {
  const server = silentServer();
  const ended: { status: number; reason: string }[] = [];
  const refused: RpcError[] = [];
  const deadlines = new Deadlines();
  const context: RelayContext = {
    deadlines,
    isReady: () => true,
    maxStreams: 100,
    router: {
      identify: () => ({ name: "olga", how: "token", grant: NOTHING, credentialUsed: true }),
      route: () => ({ server: "edge-1", target: server, waitMs: 0 }),
      waitFor: () => assert.fail("Nobody waits here"),
      ...change,
    },
    refused: refusedCalls,
    forwarder,
    nextId: () => "a-call",
    limits: { meterOf: () => undefined },
    observers: [{
      callRefused: (_head, _address, error) => void refused.push(error),
      callEnded: (_call, status, reason) => void ended.push({ status, reason }),
    }],
  };
  const socket = new FakeSocket();
  const caller = new CallerConnection(context, socket, {
    remoteAddress: "192.0.2.1:1",
    encrypted: false,
  });
  const peer = new Recorder({ role: "client" });
  peer.connection.start();
  const running = caller.run(peer.take());
  const settle = settler(peer, socket);
  const call = async (fields: HeaderList = CALL, endStream = false) => {
    const stream = peer.request(encodeHeaderList(fields), endStream);
    await settle();
    return stream;
  };
  await settle();
  return { socket, caller, peer, running, settle, call, server, ended, refused, deadlines };
}

Deno.test("CallerConnection refuses, and says why", async (t) => {
  const rows: Readonly<
    Record<string, readonly [Partial<RelayContext["router"]>, HeaderList, RegExp]>
  > = {
    "who may not call": [
      { identify: () => new RpcError(Status.UNAUTHENTICATED, "No credential") },
      CALL,
      /grpc-status=16 grpc-message=No credential.* x-hub-hop=hub x-hub-forwarded=0 end/,
    ],
    "whose credential turns out bad later": [
      { identify: () => Promise.resolve(new RpcError(Status.UNAUTHENTICATED, "No credential")) },
      CALL,
      /grpc-status=16 .*x-hub-forwarded=0 end/,
    ],
    "a call that leads nowhere": [
      {
        route: () =>
          new RpcError(Status.NOT_FOUND, "No such server", { details: [errorInfo("X", "ghub")] }),
      },
      CALL,
      /grpc-status=5 .*grpc-status-details-bin=.*x-hub-forwarded=0 x-hub-call-id=a-call end/,
    ],
    "what is no gRPC": [
      {},
      [[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "hub"]],
      /:status=415 content-type=text\/plain/,
    ],
    "too much metadata": [
      {},
      [...CALL, ...Array.from({ length: 40 }, (_, i) => [`x-${i}`, "v".repeat(1000)] as const)],
      /grpc-status=8 .*32 KiB/,
    ],
  };
  for (const [name, [change, fields, expected]] of Object.entries(rows)) {
    await t.step(name, async () => {
      const { peer, call, caller, running, socket, settle, ended, refused } = await begin(change);
      await call(fields, true);
      assert.match(peer.events().filter((line) => line.startsWith("headers")).join("\n"), expected);
      await call(fields, false);
      assert.match(peer.events().filter((line) => line.startsWith("headers")).join("\n"), expected);
      assert.equal(peer.error, undefined);
      const told = ended.length + refused.length;
      assert.equal(told, name === "what is no gRPC" ? 0 : 2, "each call is told of, for the audit");
      caller.close();
      socket.feed(null);
      await settle();
      await running;
    });
  }
});

Deno.test("CallerConnection.drain(): calls in flight end, new ones are refused, then it closes", async () => {
  const { peer, call, caller, running, socket, settle, server } = await begin();
  const first = await call();
  caller.drain();
  caller.drain();
  await settle();
  assert.deepEqual(peer.events().filter((line) => line.startsWith("goaway")), [
    "goaway 2147483647 NO_ERROR The hub goes away",
    "goaway 1 NO_ERROR",
  ]);
  await call(); // Opened against all advice.
  assert.ok(peer.events().includes("reset 3 REFUSED_STREAM peer"));
  caller.tick();
  await settle();
  assert.equal(socket.halfClosed, false, "a call is in flight");
  assert.equal(server.callsTotal, 1);
  peer.connection.reset(first, ErrorCode.CANCEL);
  await settle();
  caller.tick();
  await turns();
  assert.equal(socket.halfClosed, true);
  socket.feed(null);
  await running;
  assert.equal(socket.closed, true);
});

Deno.test("CallerConnection.drain() does not wait for a pong that never comes", async () => {
  const { caller, running, socket, peer } = await begin();
  caller.drain();
  for (let s = 0; s < 6; s++) {
    await turns();
    caller.tick();
  }
  await turns();
  assert.equal(socket.halfClosed, true);
  const goaways = wire.frames(socket.output).filter(({ type }) => type === wire.Type.GOAWAY);
  assert.equal(goaways.length, 2);
  socket.feed(null);
  await running;
  assert.equal(peer.error, undefined);
});

Deno.test("CallerConnection.whenIdle() tells in the turn in which the last call has ended", async (t) => {
  await t.step("at once, when there is none", async () => {
    const { caller, running, socket } = await begin();
    await caller.whenIdle();
    socket.feed(null);
    await running;
  });
  type Begun = Awaited<ReturnType<typeof begin>>;
  const ways: Readonly<Record<string, (begun: Begun) => void>> = {
    "the caller cancels": ({ peer }) => {
      for (const stream of peer.streams.values()) peer.connection.reset(stream, ErrorCode.CANCEL);
    },
    "their server is lost": ({ server }) => server.connection.abort(ErrorCode.CANCEL),
    "the caller is gone": ({ socket }) => socket.feed(null),
    "the hub closes": ({ caller, socket }) => {
      caller.close();
      socket.feed(null);
    },
  };
  for (const [name, end] of Object.entries(ways)) {
    await t.step(name, async () => {
      const begun = await begin();
      const { caller, running, socket, settle, call, ended } = begun;
      for (let i = 0; i < 3; i++) await call(CALL, i === 0);
      let idle = false;
      const wait = caller.whenIdle().then(() => idle = true);
      await settle();
      assert.equal(idle, false);
      end(begun);
      await settle();
      assert.equal(idle, true);
      await wait;
      assert.equal(ended.length, 3);
      socket.feed(null);
      await running;
    });
  }
});

Deno.test("CallerConnection asks a silent peer for a sign of life, and gives it up", async (t) => {
  const silent = async (seconds: number, caller: CallerConnection) => {
    for (let s = 0; s < seconds; s++) caller.tick();
    await turns();
  };
  await t.step("one that answers stays", async () => {
    const { caller, running, socket, settle, peer } = await begin();
    for (let minutes = 0; minutes < 5; minutes++) {
      await silent(PING_AFTER_S, caller);
      await settle();
    }
    assert.equal(socket.closed, false);
    assert.ok(!peer.log.includes("reset"));
    caller.close();
    socket.feed(null);
    await running;
  });
  await t.step("one that does not is closed", async () => {
    const { caller, running, socket, ended, call } = await begin();
    await call();
    await silent(DEAD_AFTER_S - 1, caller);
    assert.equal(socket.closed, false);
    await silent(1, caller);
    assert.equal(socket.closed, true);
    await running;
    assert.deepEqual(ended.map(({ status }) => status), [Status.CANCELLED]);
  });
  await t.step("one that sends and never reads is closed", async () => {
    const { caller, running, socket } = await begin();
    socket.takes = 0;
    for (let s = 0; s < MAX_CALLER_STALL_S; s++) {
      assert.equal(socket.closed, false);
      socket.feed(wire.settings());
      await turns();
      caller.tick();
    }
    caller.tick();
    assert.equal(socket.closed, true);
    await running;
  });
});

Deno.test("CallerConnection that asks and never reads is not read either, once its answers are many", async () => {
  const { caller, running, socket, peer } = await begin({
    route: () => new RpcError(Status.NOT_FOUND, "No such server, ".repeat(60)),
  });
  socket.takes = 0;
  peer.take();
  const before = socket.reads;
  let sent = 0;
  for (; sent < 20_000; sent++) {
    socket.feed(wire.headers(2 * sent + 1, CALL as [string, string][], wire.END_STREAM));
    if (sent % 100 === 99) await turns(300);
  }
  assert.ok(socket.reads - before < 5_000, `${socket.reads - before} requests were read`);
  const waiting = caller.isBusy;
  assert.equal(waiting, true);
  // It goes on when it reads.
  const readBefore = socket.reads;
  socket.take();
  await turns(3_000);
  assert.ok(socket.reads > readBefore);
  assert.ok(socket.output.length > MAX_BACKLOG);
  caller.close();
  socket.feed(null);
  await turns();
  socket.closed || socket.close();
  await running;
});

Deno.test("CallerConnection that breaks HTTP/2 hears so, and all its calls are cancelled", async () => {
  const { running, socket, call, ended, server } = await begin();
  await call();
  await call();
  socket.feed(wire.data(0, "x"));
  await turns();
  const last = wire.frames(socket.output).at(-1)!;
  assert.equal(last.type, wire.Type.GOAWAY);
  assert.equal(wire.number(last.payload, 4), ErrorCode.PROTOCOL_ERROR);
  assert.equal(socket.halfClosed, true);
  assert.equal(ended.length, 2);
  assert.equal(server.connection.streamCount, 0);
  socket.feed(null);
  await running;
  assert.equal(socket.closed, true);
});

Deno.test("CallerConnection that is gone leaves no call behind", async (t) => {
  const ways: Readonly<Record<string, (socket: FakeSocket) => void>> = {
    "it ended": (socket) => socket.feed(null),
    "it was cut": (socket) => socket.fail(new Error("Connection reset by peer")),
  };
  for (const [name, go] of Object.entries(ways)) {
    await t.step(name, async () => {
      const { running, socket, call, ended, server, deadlines } = await begin();
      for (let i = 0; i < 10; i++) await call([...CALL, ["grpc-timeout", "1H"]]);
      assert.equal(server.connection.streamCount, 10);
      go(socket);
      await running;
      await turns();
      assert.equal(server.connection.streamCount, 0);
      assert.equal(ended.length, 10);
      deadlines.close();
      assert.equal(socket.closed, true);
    });
  }
});

/** Asks so often, without waiting for an answer; returns the code of the GOAWAY that came, if one did. */
async function ask(
  { peer, settle }: Awaited<ReturnType<typeof begin>>,
  times: number,
): Promise<number | undefined> {
  const block = encodeHeaderList(CALL);
  for (let i = 0; i < times; i++) {
    peer.request(block, true);
    if (i % 50 === 0) await settle();
  }
  await settle();
  const goaway = peer.events().find((line) => line.startsWith("goaway"));
  return goaway?.includes("ENHANCE_YOUR_CALM") ? ErrorCode.ENHANCE_YOUR_CALM : undefined;
}

async function leave({ socket, caller, running }: Awaited<ReturnType<typeof begin>>) {
  caller.close();
  socket.feed(null);
  await running;
}

const NOBODY: Partial<RelayContext["router"]> = {
  identify: () => new RpcError(Status.UNAUTHENTICATED, "No credential"),
};

Deno.test("B2: a connection whose calls are refused again and again is told to calm down", async () => {
  const world = await begin(NOBODY);
  assert.equal(await ask(world, MAX_REFUSED_PER_CONNECTION), undefined);
  world.caller.tick();
  assert.equal(await ask(world, MAX_REFUSED_PER_CONNECTION), undefined, "the next second");
  assert.equal(await ask(world, 1), ErrorCode.ENHANCE_YOUR_CALM);
  assert.equal(world.refused.length, 2 * MAX_REFUSED_PER_CONNECTION + 1, "each is told of");
  await leave(world);
});

Deno.test("B2: an address is told to calm down, over all its connections", async () => {
  const refused = new RefusedCalls();
  let calm = 0;
  for (let asked = 0; asked < MAX_REFUSED_PER_ADDRESS; asked += 400) {
    const world = await begin(NOBODY, refused);
    if (await ask(world, 400) !== undefined) calm++;
    await leave(world);
  }
  assert.equal(calm, 1);
  const honest = await begin({}, refused);
  assert.equal(await ask(honest, 50), undefined, "calls that are let in do not count");
  await leave(honest);
  refused.tick();
  const later = await begin(NOBODY, refused);
  assert.equal(await ask(later, 50), undefined, "the next second");
  await leave(later);
});

Deno.test("a hub that forwards many calls that are refused keeps its link, and its address", async () => {
  const refused = new RefusedCalls();
  const link = await begin(NOBODY, refused, {
    from: "a/1",
    floodLimits: {},
    maxHeaderListBytes: 64 << 10,
    deadAfterS: 4,
  });
  assert.equal(await ask(link, MAX_REFUSED_PER_ADDRESS + 1), undefined);
  assert.equal(link.refused.length, MAX_REFUSED_PER_ADDRESS + 1, "each is told of");
  await leave(link);
  const caller = await begin(NOBODY, refused);
  assert.equal(await ask(caller, 50), undefined, "who calls from there is counted alone");
  await leave(caller);
});
