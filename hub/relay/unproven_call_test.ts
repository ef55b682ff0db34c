/**
 * A call whose credential is looked at elsewhere, on a caller's real connection: it has no identity until
 * the answer comes.
 */
import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { Connection } from "../../shared/http2/connection.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import { Recorder } from "../../shared/http2/testing/recorder.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { EVERYTHING } from "../../shared/rules/rules.ts";
import type { CallIdentity } from "../access/call_identity.ts";
import { RefusedCalls } from "../limits/refused_calls.ts";
import type { CallTarget } from "../peer/call_target.ts";
import { ReceiveBudget } from "../peer/receive_budget.ts";
import { ResetPacer } from "../peer/reset_pacer.ts";
import { CALL } from "../testing/relayed.ts";
import { settler } from "../testing/settler.ts";
import { FakeSocket, turns } from "../testing/socket.ts";
import { CallerConnection } from "./caller_connection.ts";
import { Deadlines } from "./deadlines.ts";

const OLGA: CallIdentity = { name: "olga", how: "jwt", grant: EVERYTHING, credentialUsed: true };

/** A caller whose credential is known when the test says so, and a server behind the hub. */
async function begin({ target = true } = {}) {
  const answer = Promise.withResolvers<CallIdentity | RpcError>();
  const told: string[] = [];
  let nowMs = 0;
  const deadlines = new Deadlines(() => nowMs);
  const server = new Recorder({ role: "server" });
  const hubEnd = new Connection({
    onOutput() {},
    onGoaway() {},
    onPong() {},
    onError() {},
    onFault() {},
    onRequest: () => assert.fail(),
  }, { role: "client" });
  const edge: CallTarget = {
    name: "edge-1",
    hop: "server",
    side: new ReceiveBudget(hubEnd),
    resets: new ResetPacer(hubEnd),
    lost: undefined,
    callsTotal: 0,
  };
  const socket = new FakeSocket();
  const caller = new CallerConnection(
    {
      deadlines,
      isReady: () => true,
      maxStreams: 100,
      router: {
        identify: () => answer.promise,
        route: (_head, { name }) => {
          told.push(`route ${name}`);
          return target
            ? { server: "edge-1", target: edge, waitMs: 0 }
            : new RpcError(Status.NOT_FOUND, "No such server");
        },
        waitFor: () => assert.fail("Nobody waits here"),
      },
      refused: new RefusedCalls(),
      nextId: () => "a-call",
      limits: { meterOf: () => undefined },
      observers: [{
        callRefused: (_head, _address, { code, message }) => void told.push(`${code} ${message}`),
        callStarted: ({ identity, server }) => void told.push(`start ${identity.name} ${server}`),
        callEnded: ({ identity }, status) => void told.push(`end ${identity.name} ${status}`),
        callLeft: ({ identity }) => void told.push(`left ${identity.name}`),
      }],
    },
    socket,
    { remoteAddress: "192.0.2.1:1", encrypted: false },
  );
  const peer = new Recorder({ role: "client" });
  peer.connection.start();
  hubEnd.start();
  server.connection.start();
  const running = caller.run(peer.take());
  const settle = settler(peer, socket, () => {
    for (const view of hubEnd.take()) server.connection.receive(view.slice());
    const back = server.take();
    if (back.length > 0) hubEnd.receive(back);
  });
  await settle();
  return {
    answer,
    told,
    deadlines,
    peer,
    server,
    caller,
    settle,
    pass: (ms: number) => nowMs += ms,
    async [Symbol.asyncDispose]() {
      caller.close();
      socket.feed(null);
      await running;
      deadlines.close();
    },
  };
}

Deno.test("UnprovenCall becomes a call when it is known who calls, with what came meanwhile", async () => {
  await using world = await begin();
  const { answer, peer, server, settle, told, caller } = world;
  const stream = peer.request(encodeHeaderList(CALL), false);
  peer.connection.data(stream, wire.text("one"), false);
  await settle();
  assert.equal(caller.bufferedBytes, 3);
  peer.connection.data(stream, wire.text("two"), true);
  await settle();
  assert.deepEqual(told, [], "nobody hears of a caller that is not known");
  answer.resolve(OLGA);
  await settle();
  assert.deepEqual(told, ["route olga", "start olga edge-1"]);
  assert.equal(caller.bufferedBytes, 0);
  const data = server.events().filter((line) => line.startsWith("data"));
  assert.match(data.join("\n"), /one[^]*two|onetwo/);
  peer.connection.reset(stream, ErrorCode.CANCEL);
  await settle();
  assert.deepEqual(told.slice(2), [`end olga ${Status.CANCELLED}`, "left olga"]);
});

Deno.test("UnprovenCall that ends before is a refused call, of nobody", async (t) => {
  type World = Awaited<ReturnType<typeof begin>>;
  const ways: Readonly<
    Record<string, { end: (world: World) => void; told: string; heard: RegExp }>
  > = {
    "its credential is no good": {
      end: ({ answer }) => answer.resolve(new RpcError(Status.UNAUTHENTICATED, "No good")),
      told: `${Status.UNAUTHENTICATED} No good`,
      heard: /^headers 1 .*grpc-status=16 .*x-hub-forwarded=0.* end$/m,
    },
    "who knows it fails": {
      end: ({ answer }) => answer.reject(new Error("broken")),
      told: `${Status.INTERNAL} broken`,
      heard: /^headers 1 .*grpc-status=13 .*end$/m,
    },
    "the caller cancels": {
      end: ({ peer }) => {
        for (const one of peer.streams.values()) peer.connection.reset(one, ErrorCode.CANCEL);
      },
      told: `${Status.CANCELLED} The caller cancelled`,
      heard: /^/,
    },
    "the caller is gone": {
      end: ({ caller }) => caller.close(),
      told: `${Status.CANCELLED} The caller is gone, or broke HTTP/2`,
      heard: /^/,
    },
  };
  for (const [name, { end, told: expected, heard }] of Object.entries(ways)) {
    await t.step(name, async () => {
      await using world = await begin();
      const { answer, peer, settle, told, caller, deadlines } = world;
      const stream = peer.request(encodeHeaderList([...CALL, ["grpc-timeout", "1H"]]), false);
      peer.connection.data(stream, wire.text("one"), false);
      await settle();
      assert.equal(deadlines.count, 1);
      end(world);
      await settle();
      assert.deepEqual(told, [expected]);
      assert.match(peer.events().join("\n"), heard);
      assert.equal(caller.bufferedBytes, 0);
      assert.equal(deadlines.count, 0);
      // The answer that comes now is nobody's.
      answer.resolve(OLGA);
      await settle();
      assert.deepEqual(told, [expected]);
    });
  }
});

Deno.test("UnprovenCall keeps its deadline, before and after it is known who calls", async (t) => {
  for (const proven of [false, true]) {
    await t.step(proven ? "after" : "before", async () => {
      await using world = await begin();
      const { answer, peer, settle, told, deadlines, pass } = world;
      peer.request(encodeHeaderList([...CALL, ["grpc-timeout", "5S"]]), true);
      await settle();
      if (proven) answer.resolve(OLGA);
      await settle();
      assert.equal(deadlines.count, 1);
      pass(1e9);
      // Its own timer looks; nothing else is waited for.
      while (deadlines.count > 0) await turns();
      await settle();
      assert.match(peer.events().join("\n"), /grpc-status=4 /);
      const [last = ""] = told.filter((line) => /^(4 |end)/.test(line));
      assert.match(last, proven ? /^end olga 4$/ : /^4 Deadline of 5000 ms exceeded at the hub$/);
    });
  }
});

Deno.test("UnprovenCall whose server is not there is refused as that caller's", async () => {
  await using world = await begin({ target: false });
  const { answer, peer, settle, told } = world;
  peer.request(encodeHeaderList(CALL), true);
  answer.resolve(OLGA);
  await settle();
  assert.deepEqual(told, ["route olga", `end olga ${Status.NOT_FOUND}`, "left olga"]);
});
