/**
 * Calls that wait for their server: `x-hub-wait`, and credentials that are still being looked at.
 */
import assert from "node:assert/strict";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { ErrorCode } from "../../shared/http2/frames.ts";
import type { Field } from "../../shared/http2/header_list.ts";
import { encodeHeaderList } from "../../shared/http2/hpack/encoder.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { ANSWER, CALL, Relayed, trailers } from "../testing/relayed.ts";
import type { CallTarget } from "../peer/call_target.ts";

/** A hub whose server is away until `back`; the wait never ends by itself. */
function away() {
  const { promise, resolve, reject } = Promise.withResolvers<CallTarget>();
  const signals: AbortSignal[] = [];
  const hub = new Relayed({
    route: (call, endStream) => {
      call.hold((signal) => {
        signals.push(signal);
        const aborted = new Promise<never>((_, no) => {
          signal.addEventListener("abort", () => no(signal.reason), { once: true });
        });
        return Promise.race([promise, aborted]);
      }, { ended: endStream });
    },
  });
  /** Lets promises run, then bytes. */
  const turn = async () => {
    await new Promise((done) =>
      queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => done(0))))
    );
    for (let i = 0; i < 5; i++) await Promise.resolve();
    hub.settle();
  };
  return {
    hub,
    signals,
    turn,
    back: () => (resolve(hub.upstream), turn()),
    never: (error: unknown) => (reject(error), turn()),
    [Symbol.dispose]: () => hub[Symbol.dispose](),
  };
}

function status(hub: Relayed, call: Stream): string | undefined {
  return /grpc-status=(\d+)/.exec(hub.heard(call).join())?.[1];
}

Deno.test("RelayedCall.hold(): what the caller sent meanwhile follows, in order", async (t) => {
  const rows: Readonly<Record<string, (hub: Relayed, call: Stream) => string>> = {
    "nothing": () => "",
    "bytes": (hub, call) => {
      for (const word of ["one ", "two ", "three"]) {
        hub.caller.connection.data(call, wire.text(word), false);
      }
      return 'data 1 "one two three"';
    },
    "bytes and the end": (hub, call) => {
      hub.caller.connection.data(call, wire.text("all"), true);
      return 'data 1 "all" end';
    },
    "the end alone": (hub, call) => {
      hub.caller.connection.data(call, new Uint8Array(), true);
      return "";
    },
    "request trailers": (hub, call) => {
      hub.caller.connection.data(call, wire.text("all"), false);
      hub.caller.connection.headers(call, encodeHeaderList([["x-sum", "1"]]), true);
      return 'data 1 "all" end';
    },
  };
  for (const [name, send] of Object.entries(rows)) {
    await t.step(name, async () => {
      using world = away();
      const { hub } = world;
      const call = hub.call();
      const expected = send(hub, call);
      hub.settle();
      assert.equal(hub.calls[0]!.state, "waiting");
      assert.equal(hub.server.streams.size, 0);
      await world.back();
      assert.equal(hub.calls[0]!.state, "forwarded");
      const heard = hub.heardBelow(call);
      assert.equal(heard[0]!.endsWith(" end"), name === "the end alone");
      assert.deepEqual(heard.slice(1), expected === "" ? [] : [expected]);
      hub.server.connection.headers(hub.answering(call), ANSWER, false);
      hub.server.connection.headers(hub.answering(call), trailers(), true);
      hub.settle();
      assert.equal(status(hub, call), "0");
      assert.equal(hub.ended.length, 1);
      assert.deepEqual(hub.left(), { streams: 0, lent: 0 });
    });
  }
});

Deno.test("RelayedCall.hold(): the caller may send its first window, and gets no credit", async () => {
  using world = away();
  const { hub } = world;
  const call = hub.call();
  hub.caller.connection.data(call, new Uint8Array(200_000), true);
  hub.settle();
  assert.equal(call.queuedBytes, 200_000 - 65_535);
  await world.back();
  assert.equal(call.queuedBytes, 0);
  assert.equal(hub.calls[0]!.bytesUp, 200_000);
});

Deno.test("RelayedCall.hold(): calls that wait do not use up the caller's connection", async () => {
  using world = away();
  const { hub } = world;
  const calls = Array.from({ length: 100 }, () => hub.call());
  for (const call of calls) hub.caller.connection.data(call, new Uint8Array(65_535), false);
  hub.settle();
  assert.ok(calls.every(({ queuedBytes }) => queuedBytes === 0));
  assert.equal(hub.nearSide.heldBytes, 100 * 65_535, "what waits is in the account");
  await world.back();
  assert.equal(hub.nearSide.heldBytes, 0);
  assert.equal(hub.server.streams.size, 100);
  assert.ok(hub.calls.every(({ bytesUp }) => bytesUp === 65_535));
});

Deno.test("RelayedCall.hold(): the deadline that is left is sent on", async () => {
  using world = away();
  const { hub } = world;
  const timeout: Field = ["grpc-timeout", "3600S"];
  const call = hub.call([...CALL, timeout], true);
  await world.back();
  const [, sent] = /grpc-timeout=(\d+[num])/.exec(hub.heardBelow(call)[0]!) ?? [];
  assert.ok(sent !== undefined, "a timeout was sent on");
  const unit = { n: 1e-6, u: 1e-3, m: 1 }[sent.at(-1)!]!;
  const ms = Number(sent.slice(0, -1)) * unit;
  assert.ok(ms <= 3_600_000 && ms > 3_500_000, sent);
});

Deno.test("RelayedCall.hold() ends", async (t) => {
  await t.step("with the error of the wait: nothing was delivered", async () => {
    using world = away();
    const { hub } = world;
    const call = hub.call();
    await world.never(new RpcError(Status.RESOURCE_EXHAUSTED, "Too many wait"));
    assert.equal(status(hub, call), "8");
    assert.match(hub.heard(call).join(), /x-hub-hop=hub x-hub-forwarded=0/);
    assert.equal(hub.ended[0]?.reason, "Too many wait");
    assert.deepEqual(hub.left(), { streams: 0, lent: 0 });
  });
  await t.step("when the caller cancels: the wait ends with it", async () => {
    using world = away();
    const { hub } = world;
    const call = hub.call();
    hub.caller.connection.data(call, wire.text("x"), false);
    hub.caller.connection.reset(call, ErrorCode.CANCEL);
    hub.settle();
    assert.equal(world.signals[0]!.aborted, true);
    await world.back();
    assert.equal(hub.server.streams.size, 0);
    assert.deepEqual(hub.ended.map(({ status }) => status), [Status.CANCELLED]);
    assert.deepEqual(hub.left(), { streams: 0, lent: 0 });
  });
  await t.step("when the deadline comes first", async () => {
    using world = away();
    const { hub } = world;
    const call = hub.call([...CALL, ["grpc-timeout", "1H"]]);
    hub.calls[0]!.onDeadline();
    hub.settle();
    assert.equal(status(hub, call), "4");
    assert.equal(world.signals[0]!.aborted, true);
    hub.caller.connection.data(call, wire.text("late"), true);
    await world.back();
    assert.equal(hub.server.streams.size, 0);
    assert.deepEqual(hub.left(), { streams: 0, lent: 0 });
  });
  await t.step("when the wait is given up, with what that says", async () => {
    using world = away();
    const { hub } = world;
    const call = hub.call();
    await world.never(new RpcError(Status.UNAVAILABLE, "Nobody came"));
    assert.equal(status(hub, call), "14");
    assert.match(hub.heard(call).join(), /Nobody came/);
  });
  await t.step("when the server is back and gone again", async () => {
    using world = away();
    const { hub } = world;
    const call = hub.call();
    hub.far.abort(ErrorCode.CANCEL);
    await world.back();
    assert.equal(status(hub, call), "14");
    assert.match(hub.heard(call).join(), /x-hub-forwarded=0/);
  });
});
