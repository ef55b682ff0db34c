import assert from "node:assert/strict";
import { Arrivals } from "./arrivals.ts";

Deno.test("Arrivals tells when the last claim of a name has ended", async () => {
  const arrivals = new Arrivals();
  assert.equal(arrivals.over("edge-1"), undefined);
  const [first, second] = [arrivals.begin("edge-1"), arrivals.begin("edge-1")];
  let isOver = false;
  const over = arrivals.over("edge-1")!.then(() => isOver = true);
  assert.equal(arrivals.over("edge-2"), undefined);
  first[Symbol.dispose]();
  await Promise.resolve();
  assert.equal(isOver, false);
  second[Symbol.dispose]();
  await over;
  assert.equal(arrivals.over("edge-1"), undefined);
});
