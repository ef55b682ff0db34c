/**
 * Credit and memory: slow ends, hostile ends, and what is lent.
 */
import assert from "node:assert/strict";
import { ErrorCode } from "../../shared/http2/frames.ts";
import type { Stream } from "../../shared/http2/stream.ts";
import * as wire from "../../shared/http2/testing/wire.ts";
import { fc } from "../../shared/testing/property.ts";
import { MAX_BACKLOG, SHARED_BYTES, STREAM_BYTES } from "../peer/receive_budget.ts";
import { ANSWER, CALL, Relayed, trailers } from "../testing/relayed.ts";

const MIB = 1 << 20;
const MAX_WINDOW = 2 ** 31 - 1;

/** The server sends so much on a call, as far as it may. */
function sendDown(hub: Relayed, call: Stream, bytes: number): void {
  const below = hub.answering(call);
  if (!below.headersSent) hub.server.connection.headers(below, ANSWER, false);
  const piece = new Uint8Array(64 << 10);
  for (let left = bytes; left > 0; left -= piece.length) {
    hub.server.connection.data(below, piece.subarray(0, Math.min(left, piece.length)), false);
    hub.settle();
  }
}

/** What has left the server. */
function sentDown(hub: Relayed, call: Stream, bytes: number): number {
  return bytes - hub.answering(call).queuedBytes;
}

Deno.test("Direction: a slow caller stops its own server's stream, and no other", () => {
  using hub = new Relayed();
  // One stream that is never consumed, beside others on the same two connections.
  hub.caller.consumes = false;
  const slow = hub.call();
  sendDown(hub, slow, MIB);
  assert.equal(sentDown(hub, slow, MIB), STREAM_BYTES, "what its window takes, and no more");
  assert.equal(hub.kept().caller, 0);
  hub.caller.consumes = true;
  for (let i = 0; i < 3; i++) {
    const fast = hub.call();
    sendDown(hub, fast, MIB);
    assert.equal(hub.answering(fast).queuedBytes, 0);
    hub.server.connection.headers(hub.answering(fast), trailers(), true);
    hub.settle();
    assert.match(hub.heard(fast).at(-2)!, /grpc-status=0/);
  }
  assert.equal(hub.answering(slow).queuedBytes, MIB - STREAM_BYTES);
});

Deno.test("Direction: a slow server stops its own caller's stream, and no other", () => {
  using hub = new Relayed();
  hub.server.consumes = false;
  const slow = hub.call();
  hub.caller.connection.data(slow, new Uint8Array(MIB), false);
  hub.settle();
  assert.equal(slow.queuedBytes, MIB - STREAM_BYTES);
  hub.server.consumes = true;
  const fast = hub.call();
  hub.caller.connection.data(fast, new Uint8Array(8 * MIB), true);
  hub.settle();
  assert.equal(fast.queuedBytes, 0);
  assert.ok(hub.heardBelow(fast).at(-1)!.endsWith("end"));
  assert.equal(slow.queuedBytes, MIB - STREAM_BYTES);
});

Deno.test("Direction: credit goes through to the byte", () => {
  using hub = new Relayed();
  hub.caller.consumes = false;
  const call = hub.call();
  sendDown(hub, call, MIB);
  for (const credit of [1, 2, 1000, 16_384, 100_000]) {
    const before = sentDown(hub, call, MIB);
    hub.caller.connection.grant(call, credit);
    hub.settle();
    assert.equal(sentDown(hub, call, MIB) - before, credit);
  }
});

Deno.test("Direction: large windows make a server fast, but not the hub full", () => {
  using hub = new Relayed();
  hub.near.receive(wire.settings([4, MAX_WINDOW]));
  const call = hub.call();
  assert.equal(hub.answering(call).sendWindow, STREAM_BYTES + (SHARED_BYTES >> 2));
  assert.equal(hub.left().lent, SHARED_BYTES >> 2);
  const others = Array.from({ length: 15 }, () => hub.call());
  const windows = others.map((other) => hub.answering(other).sendWindow - STREAM_BYTES);
  assert.ok(windows.every((window, i) => window < (windows[i - 1] ?? Infinity)), "each gets less");
  assert.ok(hub.left().lent <= SHARED_BYTES, `${hub.left().lent} lent`);
});

Deno.test("Direction: hundreds of idle calls leave each other their windows", () => {
  using hub = new Relayed();
  for (let i = 0; i < 600; i++) hub.call();
  const call = hub.call();
  hub.caller.connection.data(call, new Uint8Array(MIB), false);
  sendDown(hub, call, MIB);
  assert.equal(call.queuedBytes, 0, "up");
  assert.equal(hub.answering(call).queuedBytes, 0, "down");
});

/** How a hostile caller announces windows and then never reads; what it has told the hub. */
const HOSTILE: Readonly<Record<string, (hub: Relayed) => void>> = {
  "windows of 0": (hub) => hub.near.receive(wire.settings([4, 0])),
  "huge windows of streams, and none of the connection": (hub) =>
    hub.near.receive(wire.settings([4, MAX_WINDOW])),
  "huge windows, and a socket that takes nothing": (hub) => {
    hub.near.receive(
      wire.join(wire.settings([4, MAX_WINDOW]), wire.windowUpdate(0, 2 ** 30)),
    );
    hub.stalled.caller = true;
  },
};

Deno.test("Direction: a hostile caller that never reads costs what receive_budget.ts says", async (t) => {
  const CALLS = 40;
  const BOUND = SHARED_BYTES + CALLS * STREAM_BYTES + 2 * MAX_BACKLOG;
  for (const [name, announce] of Object.entries(HOSTILE)) {
    await t.step(name, () => {
      using hub = new Relayed({ callerWindow: 65_535 });
      hub.caller.consumes = false;
      announce(hub);
      const calls = Array.from({ length: CALLS }, () => {
        const call = hub.caller.request(wire.block(CALL as [string, string][]), true);
        hub.settle();
        return call;
      });
      for (const call of hub.server.streams.values()) {
        hub.server.connection.headers(call, ANSWER, false);
        hub.server.connection.data(call, new Uint8Array(2 * MIB), false);
        hub.settle();
        assert.ok(hub.kept().caller <= BOUND, `${hub.kept().caller} bytes`);
      }
      const kept = hub.kept().caller;
      assert.ok(kept > CALLS * STREAM_BYTES / 2, `${kept} bytes: the test has an effect`);
      for (const call of calls) hub.caller.connection.reset(call, ErrorCode.CANCEL);
      hub.stalled.caller = false;
      hub.settle();
      assert.equal(hub.kept().caller, 0);
      assert.equal(hub.left().lent, 0);
    });
  }
  await t.step("settings that go up and down make no credit", () => {
    using hub = new Relayed();
    hub.caller.consumes = false;
    const call = hub.call();
    hub.server.connection.headers(hub.answering(call), ANSWER, false);
    hub.server.connection.data(hub.answering(call), new Uint8Array(20 * MIB), false);
    for (let i = 0; i < 50; i++) {
      hub.near.receive(wire.join(wire.settings([4, 10 * MIB]), wire.settings([4, 0])));
      hub.near.tick();
      hub.settle();
    }
    assert.ok(
      hub.kept().caller <= SHARED_BYTES / 4 + 2 * STREAM_BYTES,
      `${hub.kept().caller} bytes`,
    );
  });
  await t.step("credit in single bytes makes few frames", () => {
    using hub = new Relayed();
    const call = hub.call();
    hub.stalled.server = true;
    const before = hub.far.outputBytes;
    for (let i = 0; i < 20_000; i++) hub.near.receive(wire.windowUpdate(call.id, 1));
    assert.ok(hub.far.outputBytes - before < 100, `${hub.far.outputBytes - before} bytes`);
  });
});

Deno.test("Direction: a hostile server that never reads costs what receive_budget.ts says", async (t) => {
  const CALLS = 40;
  const BOUND = SHARED_BYTES + CALLS * STREAM_BYTES + 2 * MAX_BACKLOG;
  const rows: Readonly<Record<string, (hub: Relayed) => void>> = {
    "windows of 0": (hub) => hub.far.receive(wire.settings([4, 0])),
    "huge windows of streams, and none of the connection": (hub) =>
      hub.far.receive(wire.settings([4, MAX_WINDOW])),
    "huge windows, and a socket that takes nothing": (hub) => {
      hub.far.receive(
        wire.join(wire.settings([4, MAX_WINDOW]), wire.windowUpdate(0, 2 ** 30)),
      );
      hub.stalled.server = true;
    },
  };
  for (const [name, announce] of Object.entries(rows)) {
    await t.step(name, () => {
      using hub = new Relayed();
      hub.server.consumes = false;
      announce(hub);
      for (let i = 0; i < CALLS; i++) {
        const call = hub.call();
        hub.caller.connection.data(call, new Uint8Array(2 * MIB), false);
        hub.settle();
        assert.ok(hub.kept().server <= BOUND, `${hub.kept().server} bytes`);
      }
      assert.ok(
        hub.kept().server > CALLS * STREAM_BYTES / 2,
        `${hub.kept().server} bytes: the test has an effect`,
      );
      hub.near.abort(ErrorCode.CANCEL);
      hub.stalled.server = false;
      hub.settle();
      assert.equal(hub.left().lent, 0);
    });
  }
});

Deno.test("Direction: a tunnel that is lost while it is full holds nothing of its callers", () => {
  using hub = new Relayed();
  hub.far.receive(wire.settings([4, MAX_WINDOW]));
  hub.stalled.server = true;
  const calls = Array.from({ length: 4 }, () => hub.call());
  for (const call of calls) hub.caller.connection.data(call, new Uint8Array(2 * MIB), false);
  hub.settle();
  hub.upstream.lost = "cable cut";
  hub.far.abort(ErrorCode.INTERNAL_ERROR);
  hub.settle();
  assert.equal(hub.left().lent, 0);
  // The caller's connection still takes as much as before.
  let taken = 0;
  hub.near.receive(new Uint8Array());
  for (let id = 101; taken < 12 * MIB; id += 2) {
    hub.near.receive(wire.headers(id, CALL as [string, string][]));
    for (let i = 0; i < 3; i++, taken += 16_384) {
      hub.near.receive(wire.data(id, new Uint8Array(16_384)));
    }
    hub.settle();
    assert.deepEqual(hub.faults, []);
  }
});

/** What may happen to a call, at either end. */
const step = fc.record({
  what: fc.constantFrom(
    "call",
    "up",
    "up end",
    "head",
    "down",
    "down end",
    "trailers",
    "reset up",
    "reset down",
    "window up",
    "window down",
    "deadline",
    "grant up",
    "grant down",
    "stall",
    "flow",
    "refuse",
  ),
  pick: fc.nat(100),
  bytes: fc.nat(150_000),
});

Deno.test("Direction: whatever happens, all that was lent comes back, and each call ends once", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      using hub = new Relayed();
      for (const { what, pick, bytes } of steps) {
        const calls = [...hub.caller.streams.values()];
        const call = calls[pick % calls.length];
        if (what === "call") hub.call();
        else if (what === "window up") hub.near.receive(wire.settings([4, bytes * 100]));
        else if (what === "window down") hub.far.receive(wire.settings([4, bytes * 100]));
        else if (what === "stall") hub.stalled[bytes % 2 === 0 ? "caller" : "server"] = true;
        else if (what === "flow") hub.stalled.caller = hub.stalled.server = false;
        else if (call !== undefined) act(hub, { call, what, bytes, index: pick % calls.length });
        hub.near.tick();
        hub.far.tick();
        hub.settle();
        assert.deepEqual(hub.faults, []);
        assert.ok(hub.nearSide.lent >= 0 && hub.nearSide.lent <= SHARED_BYTES);
        assert.ok(hub.upstream.side.lent >= 0 && hub.upstream.side.lent <= SHARED_BYTES);
      }
      hub.stalled.caller = hub.stalled.server = false;
      hub.settle();
      for (const call of hub.caller.streams.values()) {
        hub.caller.connection.reset(call, ErrorCode.CANCEL);
      }
      hub.settle();
      assert.deepEqual(hub.left(), { streams: 0, lent: 0 });
      assert.equal(hub.ended.length, hub.calls.length);
      assert.equal(hub.callsLeft, hub.calls.length);
      assert.deepEqual([hub.near.waitingBytes, hub.far.waitingBytes], [0, 0]);
    }),
    { numRuns: 150 },
  );
});

function act(
  hub: Relayed,
  { call, what, bytes, index }: { call: Stream; what: string; bytes: number; index: number },
): void {
  const up = hub.caller.connection;
  const down = hub.server.connection;
  const below = hub.answering(call);
  if (what.startsWith("up")) up.data(call, new Uint8Array(bytes), what.endsWith("end"));
  else if (what === "reset up") up.reset(call, ErrorCode.CANCEL);
  else if (what === "grant up") up.grant(call, bytes);
  else if (what === "deadline") hub.calls[index]!.onDeadline();
  else if (below === undefined || below.closed) return;
  else if (what === "reset down") down.reset(below, ErrorCode.INTERNAL_ERROR);
  else if (what === "refuse") down.reset(below, ErrorCode.REFUSED_STREAM);
  else if (what === "grant down") down.grant(below, bytes);
  else if (!below.headersSent) down.headers(below, ANSWER, false);
  else if (what === "trailers") down.headers(below, trailers(), true);
  else if (what.startsWith("down")) down.data(below, new Uint8Array(bytes), what.endsWith("end"));
}
