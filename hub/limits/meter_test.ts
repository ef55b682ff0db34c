/**
 * Limits on bytes, on the streams of calls: who is slowed, who is not, and what is given back.
 */
import assert from "node:assert/strict";
import type { Stream } from "../../shared/http2/stream.ts";
import { until } from "../../tests/support/until.ts";
import { Limits, type LimitsOptions } from "./limits.ts";
import { ANSWER, Relayed, type RelayedOptions, trailers } from "../testing/relayed.ts";

const KIB = 1 << 10;
const MIB = 1 << 20;

/** A hub on which each call is of the operator that its index names. */
function limited(options: LimitsOptions, operators: readonly string[], more: RelayedOptions = {}) {
  const limits = new Limits(options);
  const left = [...operators];
  const hub = new Relayed({
    ...more,
    meter: (call) => {
      call.account ??= limits.enter(left.shift()!, "edge-1");
      return limits.meter(call.account, "edge-1");
    },
  });
  return {
    hub,
    limits,
    buffered: (call: number) => hub.calls[call]!.account!.bufferedBytes,
    [Symbol.dispose]() {
      limits.close();
      hub[Symbol.dispose]();
    },
  };
}

/** Bytes of a call that the server has got. */
function arrived(hub: Relayed, call: Stream): number {
  return hub.calls[[...hub.caller.streams.keys()].indexOf(call.id)]!.bytesUp;
}

Deno.test("ByteMeter slows the operator who is too fast, and not another one at the same server", async () => {
  using world = limited({ maxBytesPerSPerOperator: 4 * MIB }, ["ada", "bob"]);
  const { hub } = world;
  const fast = hub.call();
  const begun = performance.now();
  hub.caller.connection.data(fast, new Uint8Array(8 * MIB), true);
  hub.settle();
  const burst = arrived(hub, fast);
  // A slow machine has earned some meanwhile.
  const earned = 4 * MIB * (performance.now() - begun) / 1_000;
  assert.ok(burst >= 64 * KIB && burst < 2 * MIB + earned, `${burst} of 8 MiB at once`);
  assert.deepEqual(hub.kept(), { caller: 0, server: 0 }, "what waits, waits at the sender");
  const other = hub.call();
  hub.caller.connection.data(other, new Uint8Array(64 * KIB), true);
  hub.settle();
  assert.equal(arrived(hub, other), 64 * KIB);
  const started = performance.now();
  await until("all to be there", () => {
    hub.settle();
    return arrived(hub, fast) === 8 * MIB;
  });
  const seconds = (performance.now() - started) / 1_000;
  // What had come before, and a burst, were free.
  assert.ok(seconds >= (8 * MIB - burst - MIB) / (4 * MIB), `all after ${seconds} s`);
  assert.equal(hub.ended.length, 0, "nobody was cut");
});

Deno.test("ByteMeter counts both directions, and what a short call moves without credit", () => {
  const limits = {
    maxBytesPerSPerServer: 64 * KIB,
    maxBytesPerSPerOperator: 64 * KIB,
    now: () => 0, // What is owed would be forgiven while a machine stands still.
  };
  using world = limited(limits, ["ada", "ada", "bob"]);
  const { hub } = world;
  const at = { server: "edge-1", callsAtServer: 0 };
  for (let i = 0; i < 2; i++) {
    const call = hub.call();
    hub.caller.connection.data(call, new Uint8Array(60 * KIB), true);
    hub.settle();
    const below = hub.answering(call);
    hub.server.connection.headers(below, ANSWER, false);
    hub.server.connection.data(below, new Uint8Array(60 * KIB), false);
    hub.server.connection.headers(below, trailers(), true);
    hub.settle();
  }
  assert.deepEqual(hub.ended.map(({ bytesUp, bytesDown }) => bytesUp + bytesDown), [
    120 * KIB,
    120 * KIB,
  ]);
  // 240 KiB were moved, 64 were saved up: nearly three seconds are owed.
  const refused = world.limits.refusal("ada", at);
  assert.match(
    refused?.message ?? "",
    /^Operator "ada" has moved more than 65536 bytes per second/,
  );
  assert.match(world.limits.refusal("bob", at)?.message ?? "", /^Server "edge-1" has moved more/);
  assert.equal(world.limits.refusal("bob", { ...at, server: "edge-2" }), undefined);
});

Deno.test("ByteMeter gives back what a call was given and did not use", () => {
  using world = limited({ maxBytesPerSPerOperator: 64 * MIB }, ["ada"]);
  const { hub } = world;
  const call = hub.call();
  hub.caller.connection.data(call, new Uint8Array(MIB), false);
  hub.settle();
  hub.caller.connection.reset(call, 8);
  hub.settle();
  const { rate } = hub.calls[0]!.account!;
  // 16 MiB are a burst; a MiB was used.
  const tokens = rate!.take(64 * MIB, { onTokens() {} });
  assert.ok(tokens >= 15 * MIB, String(tokens));
});

Deno.test("ByteMeter bounds what is kept for an operator who reads nothing", () => {
  const max = MIB;
  const operators = [...Array(40).fill("ada"), "bob"];
  using world = limited({ maxBufferedBytesPerOperator: max }, operators);
  const { hub } = world;
  const at = { server: "edge-1", callsAtServer: 0 };
  hub.stalled.caller = true;
  let refusedAfter = -1;
  for (let i = 0; i < 40; i++) {
    if (world.limits.refusal("ada", at) !== undefined) {
      refusedAfter = i;
      break;
    }
    const call = hub.call();
    const below = hub.answering(call);
    hub.server.connection.headers(below, ANSWER, false);
    hub.server.connection.data(below, new Uint8Array(4 * MIB), false);
    hub.settle();
  }
  assert.ok(refusedAfter > 0, "calls are refused at last");
  const refused = world.limits.refusal("ada", at);
  assert.match(
    refused?.message ?? "",
    /^Operator "ada" has not read \d+ bytes, over the limit of 104/,
  );
  assert.ok(world.buffered(0) >= max && world.buffered(0) <= max + 64 * KIB);
  assert.equal(world.limits.refusal("bob", at), undefined);
  hub.caller.connection.abort(8);
  hub.near.abort(8);
  hub.settle();
  assert.equal(world.buffered(0), 0, "all is given back");
  assert.equal(world.limits.refusal("ada", at), undefined);
});
