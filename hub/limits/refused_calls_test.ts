import assert from "node:assert/strict";
import { SharedTally, tallyMemory } from "../../shared/memory/shared_tally.ts";
import { JointRefusedCalls, MAX_REFUSED_PER_ADDRESS } from "./refused_calls.ts";

Deno.test("JointRefusedCalls of two workers count the refused calls of an address together", () => {
  const tally = new SharedTally(tallyMemory(8));
  // No second begins while it counts.
  const [one, other] = [new JointRefusedCalls(tally), new JointRefusedCalls(tally)];
  for (let i = 0; i < MAX_REFUSED_PER_ADDRESS / 2; i++) {
    assert.equal(one.isOneTooMany(`192.0.2.7:${i}`), false);
    assert.equal(other.isOneTooMany(`192.0.2.7:${i}`), false);
  }
  assert.equal(one.isOneTooMany("192.0.2.7:1"), true);
  assert.equal(other.isOneTooMany("192.0.2.7:1"), true);
  assert.equal(other.isOneTooMany("192.0.2.8:1"), false);
  tally.beginPeriod(0);
  assert.equal(other.isOneTooMany("192.0.2.7:1"), false, "another second");
});
