import assert from "node:assert/strict";
import { delay } from "./delay.ts";

Deno.test("delay() resolves", async () => {
  await delay(0);
  await delay(1, { signal: new AbortController().signal });
});

Deno.test("delay() rejects with the signal's reason", async (t) => {
  const reason = new Error("enough");
  await t.step("before the wait", async () => {
    await assert.rejects(delay(1e9, { signal: AbortSignal.abort(reason) }), reason);
  });
  await t.step("during the wait, and leaves no timer behind", async () => {
    const controller = new AbortController();
    const waiting = delay(1e9, { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(waiting, reason);
  });
});

Deno.test("delay() does not take a wait beyond 2³¹ ms for none", async () => {
  const controller = new AbortController();
  const waiting = delay(2 ** 40, { signal: controller.signal });
  const winner = await Promise.race([waiting.then(() => "delay"), delay(5).then(() => "control")]);
  assert.equal(winner, "control");
  controller.abort();
  await assert.rejects(waiting);
});
