import assert from "node:assert/strict";
import type { Connection } from "../../shared/http2/connection.ts";
import { MAX_OUTPUT_DATA } from "../../shared/http2/sender.ts";
import { MAX_BACKLOG, ReceiveBudget, SHARED_BYTES } from "./receive_budget.ts";

/** A connection of which only the output matters. */
function side(outputBytes = 0): ReceiveBudget {
  return new ReceiveBudget({ outputBytes } as Connection);
}

Deno.test("ReceiveBudget.share() is a quarter of what the others have left, and never nothing", () => {
  const one = side();
  const held: number[] = [];
  for (let i = 0; i < 40; i++) {
    const share = one.share(0);
    held.push(share);
    one.lend(share);
    assert.equal(one.share(share), share, "who has its share gets no more");
  }
  assert.equal(held[0], SHARED_BYTES / 4);
  assert.ok(held.every((share, i) => share <= (held[i - 1] ?? Infinity)));
  assert.ok(one.lent < SHARED_BYTES);
  for (const share of held) one.lend(-share);
  assert.equal(one.lent, 0);
});

Deno.test("ReceiveBudget.isFull only beyond what DATA alone may make wait", () => {
  assert.ok(MAX_BACKLOG > MAX_OUTPUT_DATA);
  assert.equal(side(MAX_BACKLOG).isFull, false);
  assert.equal(side(MAX_BACKLOG + 1).isFull, true);
});
