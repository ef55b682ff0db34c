import assert from "node:assert/strict";
import { comesWithin, deadline, TimeoutError } from "./deadline.ts";

const never = () => new Promise<never>(() => {});

Deno.test("deadline() hands on what comes in time", async () => {
  assert.equal(await deadline(Promise.resolve(1), 1e9), 1);
  const failure = new Error("no");
  await assert.rejects(deadline(Promise.reject(failure), 1e9), failure);
});

Deno.test("deadline() names what was late", async () => {
  await assert.rejects(
    deadline(never(), 1, { what: "handshake" }),
    (error) => error instanceof TimeoutError && /handshake.* 1 ms/.test(error.message),
  );
});

Deno.test("deadline() gives up with the signal's reason", async (t) => {
  const reason = new Error("enough");
  await t.step("fired before", async () => {
    await assert.rejects(deadline(never(), 1e9, { signal: AbortSignal.abort(reason) }), reason);
  });
  await t.step("fired during", async () => {
    const controller = new AbortController();
    const waiting = deadline(never(), 1e9, { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(waiting, reason);
  });
  await t.step("and a late rejection is nobody's surprise", async () => {
    await assert.rejects(
      deadline(Promise.reject(new Error("late")), 1e9, { signal: AbortSignal.abort(reason) }),
      reason,
    );
  });
});

Deno.test("comesWithin() tells whether, and hands a failure on", async () => {
  assert.equal(await comesWithin(Promise.resolve(), 1e9), true);
  assert.equal(await comesWithin(never(), 1), false);
  const failure = new Error("no");
  await assert.rejects(comesWithin(Promise.reject(failure), 1e9), failure);
});
