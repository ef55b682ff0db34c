/**
 * The table in the head of relayed_call.ts, row by row.
 */
import assert from "node:assert/strict";
import { Status } from "../../shared/grpc/status.ts";
import { ErrorCode, errorName } from "../../shared/http2/frames.ts";
import type { Field } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { ANSWER, CALL, fieldsOf, Relayed, trailers } from "../testing/relayed.ts";

const GONE = { streams: 0, lent: 0 };

/** What the caller was told at the end: status, hop, forwarded. */
function told(hub: Relayed, call: Stream): [status: number, hop: string, forwarded: string] {
  const last = hub.heard(call).findLast((line) => line.startsWith("headers"));
  const fields = fieldsOf(last);
  return [Number(fields["grpc-status"]), fields["x-hub-hop"]!, fields["x-hub-forwarded"]!];
}

Deno.test("RelayedCall: the server answers", async (t) => {
  await t.step("and the caller gets its answer, with the hop", () => {
    using hub = new Relayed();
    const call = hub.call([...CALL, ["authorization", "Bearer for-the-hub"], ["x-mine", "1"]]);
    hub.caller.connection.data(call, wire.text("ping"), true);
    hub.settle();
    const below = hub.answering(call);
    const [head] = hub.heardBelow(call);
    assert.equal(fieldsOf(head)["x-hub-operator"], "olga");
    assert.equal(fieldsOf(head)["x-mine"], "1");
    assert.equal(fieldsOf(head)["authorization"], undefined);
    hub.server.connection.headers(
      below,
      encodeHeaderList([[":status", "200"], ["x-theirs", "2"]]),
      false,
    );
    hub.server.connection.data(below, wire.text("pong"), false);
    hub.server.connection.headers(below, trailers(["x-hub-hop", "moon"], ["x-last", "3"]), true);
    hub.settle();
    assert.deepEqual(hub.heardBelow(call).slice(1), ['data 1 "ping" end']);
    assert.deepEqual(hub.heard(call), [
      "headers 1 :status=200 x-theirs=2",
      'data 1 "pong"',
      "headers 1 grpc-status=0 x-last=3 x-hub-hop=server x-hub-forwarded=1 end",
    ]);
    assert.deepEqual(hub.ended, [{ status: Status.OK, reason: "", bytesUp: 4, bytesDown: 4 }]);
    assert.deepEqual(hub.left(), GONE);
  });
  await t.step("with trailers only", () => {
    using hub = new Relayed();
    const call = hub.call(CALL, true);
    const head: Field[] = [[":status", "200"], ["grpc-status", "5"]];
    hub.server.connection.headers(hub.answering(call), encodeHeaderList(head), true);
    hub.settle();
    assert.deepEqual(told(hub, call), [5, "server", "1"]);
    assert.match(hub.heard(call).at(-1)!, / x-hub-call-id=a-call end$/);
    assert.equal(hub.calls[0]!.id, "a-call");
    assert.equal(hub.ended[0]?.status, Status.NOT_FOUND);
    assert.deepEqual(hub.left(), GONE);
  });
  await t.step("headers before its first message, at once", () => {
    using hub = new Relayed();
    const call = hub.call();
    hub.server.connection.headers(hub.answering(call), ANSWER, false);
    hub.settle();
    assert.deepEqual(hub.heard(call), ["headers 1 :status=200"]);
    assert.equal(hub.calls[0]!.state, "forwarded");
  });
  await t.step("without a status, which counts as UNKNOWN", () => {
    using hub = new Relayed();
    const call = hub.call(CALL, true);
    hub.server.connection.headers(hub.answering(call), ANSWER, false);
    hub.server.connection.data(hub.answering(call), wire.text("half"), true);
    hub.settle();
    assert.equal(hub.heard(call).at(-1), 'data 1 "half" end');
    assert.equal(hub.ended[0]?.status, Status.UNKNOWN);
    assert.deepEqual(hub.left(), GONE);
  });
});

Deno.test("RelayedCall: the server answers while the caller still sends", async (t) => {
  const answer = (hub: Relayed, call: Stream) => {
    hub.server.connection.headers(hub.answering(call), ANSWER, false);
    hub.server.connection.headers(hub.answering(call), trailers(), true);
    hub.settle();
  };
  await t.step("both are told that it is over", () => {
    using hub = new Relayed();
    const call = hub.call();
    answer(hub, call);
    assert.deepEqual(told(hub, call), [0, "server", "1"]);
    assert.equal(hub.heard(call).at(-1), "reset 1 NO_ERROR peer");
    assert.equal(hub.heardBelow(call).at(-1), "reset 1 NO_ERROR peer");
    assert.deepEqual(hub.left(), GONE);
  });
  await t.step("a reset behind it changes nothing", () => {
    using hub = new Relayed();
    const call = hub.call();
    hub.server.connection.headers(hub.answering(call), ANSWER, false);
    hub.server.connection.headers(hub.answering(call), trailers(), true);
    hub.server.connection.reset(hub.answering(call), ErrorCode.NO_ERROR);
    hub.settle();
    assert.deepEqual(told(hub, call), [0, "server", "1"]);
    assert.equal(hub.ended.length, 1);
    assert.deepEqual(hub.left(), GONE);
  });
  await t.step("bytes that wait for the server are dropped", () => {
    using hub = new Relayed();
    hub.far.receive(wire.settings([4, 0])); // It takes nothing.
    const call = hub.call();
    hub.caller.connection.data(call, new Uint8Array(60_000), true);
    hub.settle();
    assert.equal(hub.kept().server, 60_000);
    answer(hub, call);
    assert.deepEqual(told(hub, call), [0, "server", "1"]);
    assert.equal(hub.kept().server, 0);
    assert.deepEqual(hub.left(), GONE);
  });
  await t.step("a caller that takes its answer late gets it whole before the reset", () => {
    using hub = new Relayed();
    hub.near.receive(wire.settings([4, 0]));
    const call = hub.call();
    hub.server.connection.headers(hub.answering(call), ANSWER, false);
    hub.server.connection.data(hub.answering(call), wire.text("late"), false);
    hub.server.connection.headers(hub.answering(call), trailers(), true);
    hub.settle();
    assert.deepEqual(hub.heard(call), ["headers 1 :status=200"]);
    // Ended as far as the server goes; but it occupies the hub, and so counts for its caller.
    assert.deepEqual([hub.ended.length, hub.callsLeft, hub.near.waitingBytes], [1, 0, 4]);
    hub.near.receive(wire.settings([4, 65_535]));
    hub.settle();
    assert.deepEqual([hub.ended.length, hub.callsLeft, hub.near.waitingBytes], [1, 1, 0]);
    assert.equal(hub.heard(call)[1], 'data 1 "late"');
    assert.deepEqual(told(hub, call), [0, "server", "1"]);
    assert.equal(hub.heard(call).at(-1), "reset 1 NO_ERROR peer");
    assert.deepEqual(hub.left(), GONE);
  });
});

Deno.test("RelayedCall: the server resets", async (t) => {
  const { UNAVAILABLE, CANCELLED, RESOURCE_EXHAUSTED, PERMISSION_DENIED, INTERNAL } = Status;
  const EXPECTED: Readonly<Record<number, readonly [number, string]>> = {
    [ErrorCode.REFUSED_STREAM]: [UNAVAILABLE, "0"],
    [ErrorCode.CANCEL]: [CANCELLED, "1"],
    [ErrorCode.ENHANCE_YOUR_CALM]: [RESOURCE_EXHAUSTED, "1"],
    [ErrorCode.INADEQUATE_SECURITY]: [PERMISSION_DENIED, "1"],
  };
  for (const code of [...Object.values(ErrorCode), 0xdead]) {
    const [status, forwarded] = EXPECTED[code] ?? [INTERNAL, "1"];
    await t.step(errorName(code), () => {
      for (const headersFirst of [false, true]) {
        using hub = new Relayed();
        const call = hub.call();
        if (headersFirst) hub.server.connection.headers(hub.answering(call), ANSWER, false);
        hub.server.connection.reset(hub.answering(call), code);
        hub.settle();
        assert.deepEqual(told(hub, call), [status, "hub", forwarded]);
        assert.equal(hub.ended[0]?.status, status);
        assert.deepEqual(hub.left(), GONE);
      }
    });
  }
});

Deno.test("RelayedCall: the server breaks HTTP/2", async (t) => {
  const rows: readonly (readonly [string, Uint8Array, number])[] = [
    ["DATA before its headers", wire.data(1, "x"), Status.INTERNAL],
    ["no :status", wire.headers(1, [["a", "b"]]), Status.INTERNAL],
    [
      "more DATA than it may send",
      wire.join(
        wire.headers(1, wire.RESPONSE),
        wire.repeat(5, () => wire.data(1, new Uint8Array(16_000))),
      ),
      Status.INTERNAL,
    ],
    [
      "too many headers",
      wire.join(
        wire.frame(wire.Type.HEADERS, 0, 1, wire.block(wire.RESPONSE)),
        wire.repeat(
          3,
          () =>
            wire.frame(
              wire.Type.CONTINUATION,
              0,
              1,
              wire.block(Array(100).fill(["n".repeat(20), "v".repeat(120)])),
            ),
        ),
        wire.frame(wire.Type.CONTINUATION, wire.END_HEADERS, 1),
      ),
      Status.RESOURCE_EXHAUSTED,
    ],
  ];
  for (const [name, bytes, status] of rows) {
    await t.step(name, () => {
      using hub = new Relayed();
      const call = hub.call();
      hub.stalled.caller = name.startsWith("more"); // Else its credit would come back at once.
      hub.far.receive(bytes);
      hub.stalled.caller = false;
      hub.settle();
      assert.deepEqual(told(hub, call), [status, "hub", "1"]);
      assert.ok(hub.heardBelow(call).at(-1)!.startsWith("reset 1"));
      assert.deepEqual(hub.faults, []);
      assert.deepEqual(hub.left(), GONE);
    });
  }
});

Deno.test("RelayedCall: the tunnel is lost", async (t) => {
  for (
    const [name, headersFirst] of [["before the answer", false], ["in its midst", true]] as const
  ) {
    await t.step(name, () => {
      using hub = new Relayed();
      const calls = [hub.call(), hub.call(), hub.call(CALL, true)];
      for (const call of headersFirst ? calls : []) {
        hub.server.connection.headers(hub.answering(call), ANSWER, false);
      }
      hub.settle();
      hub.upstream.lost = "cable cut";
      hub.far.abort(ErrorCode.INTERNAL_ERROR);
      hub.server.connection.abort(ErrorCode.CANCEL);
      hub.settle();
      for (const call of calls) {
        assert.deepEqual(told(hub, call), [Status.UNAVAILABLE, "hub", "1"]);
        assert.match(hub.heard(call).join(), /outcome unknown: cable cut/);
      }
      assert.equal(hub.ended.length, 3);
      assert.deepEqual(hub.left(), GONE);
    });
  }
});

Deno.test("RelayedCall: the server goes away before the call", () => {
  using hub = new Relayed();
  const taken = hub.call();
  const refused = hub.call();
  hub.far.receive(wire.goaway(1));
  hub.settle();
  assert.deepEqual(told(hub, refused), [Status.UNAVAILABLE, "hub", "0"]);
  assert.deepEqual(hub.heard(taken), []);
  const late = hub.call();
  assert.deepEqual(told(hub, late), [Status.UNAVAILABLE, "hub", "0"]);
});

Deno.test("RelayedCall: the server takes no more calls", async (t) => {
  await t.step("by its own limit", () => {
    using hub = new Relayed({ maxStreams: 1 });
    hub.call();
    const second = hub.call();
    assert.deepEqual(told(hub, second), [Status.UNAVAILABLE, "hub", "0"]);
    assert.equal(hub.heard(second).at(-1), "reset 3 NO_ERROR peer");
  });
  await t.step("because it does not read", () => {
    using hub = new Relayed();
    hub.stalled.server = true;
    const long: Field = ["x-long", "v".repeat(20_000)];
    const calls = Array.from({ length: 300 }, () => hub.call([...CALL, long]));
    assert.deepEqual(told(hub, calls.at(-1)!), [Status.UNAVAILABLE, "hub", "0"]);
    assert.ok(hub.kept().server < 3 << 20, `${hub.kept().server} bytes`);
  });
});

Deno.test("RelayedCall: the caller cancels, or is lost", async (t) => {
  const ways: Readonly<Record<string, (hub: Relayed, call: Stream) => void>> = {
    "cancels": (hub, call) => hub.caller.connection.reset(call, ErrorCode.CANCEL),
    "breaks HTTP/2 on its stream": (hub) => hub.near.receive(wire.windowUpdate(1, 0)),
    "is lost": (hub) => {
      hub.near.abort(ErrorCode.CANCEL);
      hub.caller.connection.abort(ErrorCode.CANCEL);
    },
  };
  for (const [name, end] of Object.entries(ways)) {
    await t.step(name, () => {
      using hub = new Relayed();
      const call = hub.call();
      hub.caller.connection.data(call, wire.text("x"), false);
      hub.settle();
      end(hub, call);
      hub.settle();
      assert.equal(hub.heardBelow(call).at(-1), "reset 1 CANCEL peer");
      assert.equal(hub.ended[0]?.status, Status.CANCELLED);
      assert.equal(hub.calls[0]!.state, "ended");
      assert.deepEqual(hub.left(), GONE);
    });
  }
});

Deno.test("RelayedCall: the deadline", async (t) => {
  for (
    const [name, headersFirst] of [["before the answer", false], ["in its midst", true]] as const
  ) {
    await t.step(name, () => {
      using hub = new Relayed();
      const call = hub.call([...CALL, ["grpc-timeout", "1H"]]);
      assert.equal(fieldsOf(hub.heardBelow(call)[0])["grpc-timeout"], "1H");
      if (headersFirst) {
        hub.server.connection.headers(hub.answering(call), ANSWER, false);
        hub.settle();
      }
      hub.calls[0]!.onDeadline();
      hub.settle();
      assert.deepEqual(told(hub, call), [Status.DEADLINE_EXCEEDED, "hub", "1"]);
      assert.equal(fieldsOf(hub.heard(call).at(-2))[":status"], headersFirst ? undefined : "200");
      assert.equal(hub.heardBelow(call).at(-1), "reset 1 CANCEL peer");
      assert.deepEqual(hub.left(), GONE);
    });
  }
});

Deno.test("RelayedCall takes its deadline out when the call has ended", () => {
  using hub = new Relayed();
  const timeout: Field = ["grpc-timeout", "1H"];
  const [answered, reset, cancelled] = [1, 2, 3].map(() => hub.call([...CALL, timeout]));
  assert.equal(hub.deadlines.count, 3);
  hub.server.connection.headers(hub.answering(answered!), ANSWER, false);
  hub.server.connection.headers(hub.answering(answered!), trailers(), true);
  hub.server.connection.reset(hub.answering(reset!), ErrorCode.CANCEL);
  hub.caller.connection.reset(cancelled!, ErrorCode.CANCEL);
  hub.settle();
  assert.equal(hub.deadlines.count, 0);
});

Deno.test("RelayedCall: request trailers end the request, and get no further", () => {
  using hub = new Relayed();
  const call = hub.call();
  hub.caller.connection.data(call, wire.text("x"), false);
  const fields: Field[] = [["x-sum", "1"], ["x-hub-operator", "root"]];
  hub.caller.connection.headers(call, encodeHeaderList(fields), true);
  hub.settle();
  assert.deepEqual(hub.heardBelow(call).slice(1), ['data 1 "x"', 'data 1 "" end']);
  hub.server.connection.headers(hub.answering(call), ANSWER, false);
  hub.server.connection.headers(hub.answering(call), trailers(), true);
  hub.settle();
  assert.deepEqual(hub.left(), GONE);
});

Deno.test("RelayedCall: a fault of the hub ends one call, and tells both ends", () => {
  using hub = new Relayed();
  const [bad, good] = [hub.call(), hub.call()];
  const [fault] = hub.calls;
  fault!.onData = () => {
    throw new Error("A bug");
  };
  for (const call of [bad, good]) {
    hub.server.connection.headers(hub.answering(call), ANSWER, false);
    hub.server.connection.data(hub.answering(call), wire.text("x"), false);
  }
  hub.settle();
  assert.deepEqual(hub.faults.map(String), ["Error: A bug"]);
  assert.deepEqual(told(hub, bad), [Status.INTERNAL, "hub", "1"]);
  assert.match(hub.heard(bad).join(), /an unexpected error in the hub/);
  assert.deepEqual(hub.heard(good), ["headers 3 :status=200", 'data 3 "x"']);
});
