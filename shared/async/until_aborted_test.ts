import assert from "node:assert/strict";
import { untilAborted } from "./until_aborted.ts";

Deno.test("untilAborted() resolves when the signal fires, or has fired", async () => {
  await untilAborted(AbortSignal.abort(new Error("already")));
  const controller = new AbortController();
  let resolved = false;
  const wait = untilAborted(controller.signal).then(() => (resolved = true));
  await Promise.resolve();
  assert.equal(resolved, false);
  controller.abort(new Error("now"));
  await wait;
});
