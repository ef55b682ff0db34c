import assert from "node:assert/strict";
import { MAX_RECENT_IDS, RecentIds } from "./recent_ids.ts";

Deno.test("RecentIds remembers the last ids, and no others", () => {
  const ids = new RecentIds();
  assert.equal(ids.has(1), false);
  for (let id = 1; id <= MAX_RECENT_IDS; id++) ids.add(id);
  assert.equal(ids.has(1), true);
  assert.equal(ids.has(MAX_RECENT_IDS), true);
  ids.add(5000);
  assert.equal(ids.has(1), false, "the oldest one is forgotten");
  assert.equal(ids.has(2), true);
  assert.equal(ids.has(5000), true);
  ids.add(2 ** 31 - 1);
  assert.equal(ids.has(2 ** 31 - 1), true);
});
