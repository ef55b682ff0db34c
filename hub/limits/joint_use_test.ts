import assert from "node:assert/strict";
import { STREAM_BYTES } from "../peer/receive_budget.ts";
import { ByteRate, type Taker } from "./byte_rate.ts";
import { JointBucket } from "./joint_bucket.ts";
import { JointUse, jointUseMemory } from "./joint_use.ts";
import { type CallPlace, Limits, type LimitsOptions, MAX_OWN_CALLS } from "./limits.ts";
import { SharedTally, tallyMemory } from "../../shared/memory/shared_tally.ts";
import type { Called, Calling } from "./testing/calling_thread.ts";

const PLACE: CallPlace = { server: "edge-1", callsAtServer: 0 };

/** The limits of two workers, and those that the main thread reads. */
function two(options: LimitsOptions = {}) {
  const memory = jointUseMemory(2);
  const [one, other, all] = [0, 1, 2].map((n) => new Limits(options, new JointUse(memory, n)));
  return { one: one!, other: other!, all: all! };
}

Deno.test("Limits of two workers let an operator make as many calls as one worker would", () => {
  const { one, other, all } = two({ maxCallsPerOperator: 3 });
  const enter = (limits: Limits) => {
    assert.equal(limits.refusal("ada", PLACE), undefined);
    return limits.enter("ada", "edge-1");
  };
  const accounts = [enter(one), enter(other), enter(one)];
  for (const limits of [one, other]) {
    assert.match(limits.refusal("ada", PLACE)!.message, /"ada" has 3 calls in flight, the limit/);
    assert.equal(limits.refusal("bob", PLACE), undefined);
  }
  other.ended(accounts[1]!, "edge-1");
  other.leave(accounts[1]!);
  assert.equal(all.usage().calls, 2 + 2, "with the places that bob found and did not use");
  assert.equal(one.refusal("ada", PLACE), undefined);
  assert.notEqual(other.refusal("ada", PLACE), undefined, "the one before has taken the place");
  // It makes no call: its place is there again.
  assert.equal(one.refusal("bob", PLACE), undefined);
  assert.equal(other.refusal("ada", PLACE), undefined);
});

Deno.test("Limits of two workers count a call once that one forwards to the other", () => {
  const { one, other, all } = two({ maxCallsPerOperator: 1, maxCallsPerServer: 2 });
  assert.equal(one.refusal("ada", PLACE), undefined);
  const near = one.enter("ada", "edge-1");
  const place: CallPlace = { ...PLACE, isForwarded: true };
  assert.equal(other.refusal("ada", place), undefined);
  const far = other.enter("ada", "edge-1", true);
  assert.equal(all.usage().calls, 1);
  assert.equal(all.usage().mostCallsOfAnOperator, 1);
  const full = other.refusal("ada", { ...place, callsAtServer: 2 });
  assert.match(full!.message, /"edge-1" has 2 calls/);
  other.ended(far, "edge-1");
  other.leave(far);
  one.ended(near, "edge-1");
  one.leave(near);
  assert.equal(all.usage().calls, 0);
});

Deno.test("Limits of two workers share the calls that the hub's own services take", () => {
  const { one, other } = two();
  let calls = 0;
  for (let limits = one; limits.ownRefusal("eager") === undefined; calls++) {
    limits.enter("eager", "");
    limits = limits === one ? other : one;
  }
  assert.equal(calls, MAX_OWN_CALLS * 3 / 4);
  assert.notEqual(other.ownRefusal("eager"), undefined);
  assert.equal(
    other.ownRefusal("eager", { isForwarded: true }),
    undefined,
    "another worker has judged it",
  );
  assert.equal(one.ownRefusal("honest"), undefined);
  const account = other.enter("eager", "");
  other.ended(account, "");
  other.leave(account);
});

Deno.test("Limits of two workers refuse calls when all together hold too much memory", () => {
  const { one, other, all } = two({ maxMemoryBytes: 200 << 20 });
  one.tick({ connections: 2, bufferedBytes: 60 << 20 });
  assert.equal(one.refusal("ada", PLACE), undefined);
  other.tick({ connections: 3, bufferedBytes: 60 << 20 });
  assert.match(other.refusal("ada", PLACE)!.message, /at its limit of 200 MiB of memory/);
  one.tick({ connections: 2, bufferedBytes: 60 << 20 });
  assert.notEqual(one.refusal("ada", PLACE), undefined);
  const { connections, bufferedBytes, shedding } = all.usage();
  assert.deepEqual([connections, bufferedBytes, shedding], [5, 120 << 20, true]);
  one.tick({ connections: 2, bufferedBytes: 0 });
  other.tick({ connections: 3, bufferedBytes: 0 });
  assert.equal(all.usage().shedding, false);
});

Deno.test("Limits of two workers count together what is kept for an operator", () => {
  const { one, other, all } = two({ maxBufferedBytesPerOperator: 1 << 20 });
  const meters = [one, other].map((limits) =>
    limits.meter(limits.enter("ada", "edge-1"), "edge-1")
  );
  for (const meter of meters) meter.keeps(STREAM_BYTES * 9, 0);
  assert.match(one.refusal("ada", PLACE)!.message, /"ada" has not read 1179630 bytes/);
  assert.equal(all.usage().mostBufferedBytesOfAnOperator, 2 * 9 * STREAM_BYTES);
  meters[0]!.keeps(0, 0);
  assert.equal(other.refusal("ada", PLACE), undefined);
  meters[1]!.keeps(0, 0);
});

Deno.test("ByteRates of two workers take from one bucket", () => {
  let now = 1e12;
  const [RATE, BURST] = [1 << 20, 1 << 18];
  const tally = new SharedTally(tallyMemory(4));
  const [one, other] = [1, 2].map(() =>
    new ByteRate(RATE, (options) => new JointBucket(tally, "ada", options, () => now))
  ) as [ByteRate, ByteRate];
  const taker = { onTokens() {} };
  assert.equal(one.take(BURST - 10_000, taker), BURST - 10_000);
  assert.equal(other.take(RATE, taker), 10_000);
  other.charge(RATE);
  assert.ok(Math.abs(one.debtMs - 1_000) < 0.01);
  now += 1_250;
  assert.equal(one.isIdle, true);
  one.charge(-RATE);
  assert.equal(tally.size, 0, "a full bucket takes no memory");
  assert.equal(other.debtMs, 0);
});

Deno.test("ByteRates of two workers give each of them a part of what comes in", async () => {
  const LOOKS = 60;
  const tally = new SharedTally(tallyMemory(4));
  const rates = [1, 2].map(() =>
    new ByteRate(1 << 20, (options) => new JointBucket(tally, "ada", options))
  );
  const got = [0, 0];
  let looks = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const [at, rate] of rates.entries()) {
    // One stream that never has enough.
    const taker: Taker = {
      onTokens() {
        if (looks === LOOKS) return;
        const taken = rate.take(1 << 30, taker);
        got[at]! += taken;
        if (taken > 0 && ++looks === LOOKS) resolve();
        rate.wait(taker);
      },
    };
    rate.wait(taker);
  }
  await promise;
  for (const rate of rates) rate.close();
  // Even by chance: less than a fifth has one of them once in a million times.
  const [one = 0, other = 0] = got;
  assert.ok(Math.min(one, other) > (one + other) / 5, got.join(" and "));
});

Deno.test("two threads together let an operator make exactly as many calls as it may", async () => {
  const memory = jointUseMemory(2);
  const over = new Int32Array(new SharedArrayBuffer(4));
  const work = { memory, operator: "ada", maxCallsPerOperator: 5_000, tries: 5_000, over };
  const all = new Limits({}, new JointUse(memory, 0));
  const threads = [0, 1].map((worker) => calling({ ...work, worker }));
  try {
    const calls = await Promise.all(threads.map(({ heard }) => heard()));
    assert.equal(calls.reduce((sum, { calls }) => sum + calls, 0), 5_000);
    assert.equal(all.usage().calls, 5_000);
    const ended = Promise.all(threads.map(({ heard }) => heard()));
    Atomics.store(over, 0, 1);
    Atomics.notify(over, 0);
    await ended;
    assert.equal(all.usage().calls, 0);
  } finally {
    for (const { thread } of threads) thread.terminate();
  }
});

function calling(work: Calling) {
  const thread = new Worker(new URL("./testing/calling_thread.ts", import.meta.url), {
    type: "module",
  });
  const heard = () =>
    new Promise<Called>((resolve, reject) => {
      thread.onmessage = ({ data }) => resolve(data);
      thread.onerror = (event) => reject(new Error(event.message));
    });
  thread.postMessage(work);
  return { thread, heard };
}
