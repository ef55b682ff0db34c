import assert from "node:assert/strict";
import { untilNone } from "./until_none.ts";

Deno.test("untilNone() also waits for what has begun meanwhile", async () => {
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const left = [first];
  let over = false;
  const wait = untilNone(() => left.map(({ promise }) => promise)).then(() => over = true);
  left[0] = second;
  first.resolve();
  await first.promise;
  assert.equal(over, false);
  left.pop();
  second.resolve();
  await wait;
});

Deno.test("untilNone() ends at once when nothing goes on, and with its signal", async () => {
  await untilNone(() => []);
  await untilNone(() => [new Promise(() => {})], AbortSignal.abort());
  const stop = new AbortController();
  const wait = untilNone(() => [new Promise(() => {})], stop.signal);
  stop.abort();
  await wait;
});
