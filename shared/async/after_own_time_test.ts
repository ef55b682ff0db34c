import assert from "node:assert/strict";
import { afterOwnTime } from "./after_own_time.ts";

Deno.test("afterOwnTime() fires once its time is over, and not after it was stopped", async () => {
  let fired = 0;
  const start = performance.now();
  await new Promise<void>((resolve) => {
    const stop = afterOwnTime(20, () => fired++);
    stop();
    afterOwnTime(50, resolve);
  });
  // A timer may be early by the rounding of a millisecond, ten times.
  assert.ok(performance.now() - start >= 40);
  assert.equal(fired, 0);
});

Deno.test("afterOwnTime() lets come what came while the process stood still", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    afterOwnTime(50, () => {
      order.push("too late");
      resolve();
    });
    setTimeout(() => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
      // Further turns, as for bytes that are on their way.
      setTimeout(() => order.push("the answer"));
    });
  });
  assert.deepEqual(order, ["the answer", "too late"]);
});
