import assert from "node:assert/strict";
import { SharedTally, tallyMemory } from "../../shared/memory/shared_tally.ts";
import { MAX_ADDRESSES, MAX_HELD, MAX_HOLD_MS, Throttle } from "./throttle.ts";
import { networkOf } from "../net/network.ts";

const A = "192.0.2.7";

/** How long the answer to a wrong credential waits. */
function waitMs(throttle: Throttle, address = A): number {
  const verdict = throttle.failed(address);
  return verdict.answer === "now" ? 0 : verdict.waitMs;
}

Deno.test("Throttle answers a burst of wrong credentials at once, and then ever later", () => {
  let now = 0;
  using throttle = new Throttle({ burst: 3, now: () => now });
  for (let i = 0; i < 3; i++) assert.equal(waitMs(throttle), 0);
  assert.deepEqual([waitMs(throttle), waitMs(throttle)], [1000, 2000]);
  assert.equal(waitMs(throttle, "192.0.2.8"), 0, "another address is not concerned");
  for (let i = 0; i < 10; i++) waitMs(throttle);
  assert.equal(waitMs(throttle), MAX_HOLD_MS, "but never later than that");
  now = 60_000;
  for (let i = 0; i < 3; i++) assert.equal(waitMs(throttle), 0);
  assert.equal(waitMs(throttle), 1000, "no more than a burst is saved up");
});

Deno.test("Throttle holds answers back, a bounded number of them", async () => {
  const throttle = new Throttle({ burst: 0, maxHeld: 2 });
  const held = [throttle.failed(A), throttle.failed(A)];
  assert.deepEqual(held.map(({ answer }) => answer), ["later", "later"]);
  assert.equal(throttle.failed(A).answer, "too many");
  assert.equal(throttle.failed("192.0.2.8").answer, "later", "each address has its own");
  throttle[Symbol.dispose]();
  for (const verdict of held) if (verdict.answer === "later") await verdict.until;
  assert.equal(throttle.failed(A).answer, "later", "there is room again");
  throttle[Symbol.dispose]();
});

Deno.test("Throttle holds back no more than a bounded number for all addresses together", () => {
  using throttle = new Throttle({ burst: 0 });
  const answers = Array.from({ length: MAX_HELD + 1 }, (_, i) => throttle.failed(`a${i}`).answer);
  assert.equal(answers.filter((answer) => answer === "later").length, MAX_HELD);
  assert.equal(answers.at(-1), "too many");
});

Deno.test("Throttle remembers a bounded number of addresses, the latest", () => {
  using throttle = new Throttle({ burst: 1, maxAddresses: 2, now: () => 0 });
  for (const address of ["a", "b", "a", "c"]) throttle.failed(address);
  assert.deepEqual(["c", "a", "b"].map((address) => waitMs(throttle, address)), [1000, 2000, 0]);
});

Deno.test("Throttles of two workers count what comes from an address together", async () => {
  const joint = { full: new SharedTally(tallyMemory(8)), held: new SharedTally(tallyMemory(8)) };
  const options = { burst: 3, maxHeld: 2, joint, now: () => 1e6 };
  using one = new Throttle(options);
  using other = new Throttle(options);
  assert.deepEqual([one, other, one].map((throttle) => waitMs(throttle)), [0, 0, 0]);
  // Held back for as long as it can be: not over before the next lines.
  for (let i = 0; i < 5; i++) joint.full.add(networkOf(A), 1_000);
  const held = [one.failed(A), other.failed(A)];
  assert.deepEqual(held.map(({ answer }) => answer), ["later", "later"]);
  for (const throttle of [one, other]) assert.equal(throttle.failed(A).answer, "too many");
  assert.equal(waitMs(other, "192.0.2.8"), 0, "another address is not concerned");
  one[Symbol.dispose]();
  other[Symbol.dispose]();
  for (const verdict of held) if (verdict.answer === "later") await verdict.until;
  assert.equal(joint.held.sum, 0);
});

Deno.test("Throttles of workers do not look at all addresses for each wrong credential", () => {
  const looks: number[] = [];
  let now = 1e6;
  class Full extends SharedTally {
    override forget(isOver: (number: number) => boolean): void {
      looks.push(now);
      super.forget(isOver);
    }
  }
  const joint = {
    full: new Full(tallyMemory(MAX_ADDRESSES)),
    held: new SharedTally(tallyMemory(8)),
  };
  using throttle = new Throttle({ joint, now: () => now });
  for (let i = 0; i < MAX_ADDRESSES; i++) throttle.failed(`a${i}`);
  for (let i = 0; i < 100; i++) throttle.failed(`b${i}`);
  assert.deepEqual(looks, [1e6]);
  assert.equal(joint.full.size, MAX_ADDRESSES + 100);
  now += 60_000;
  throttle.failed("c");
  assert.deepEqual([looks, joint.full.size], [[1e6, 1e6 + 60_000], 1]);
});

Deno.test("networkOf() takes an IPv6 network as one", async (t) => {
  const table: [address: string, network: string][] = [
    ["192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["[2001:db8:1:2::6]", "2001:db8:1:2"],
    ["2001:0db8:0001:0002::", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
  ];
  for (const [address, network] of table) {
    await t.step(address, () => assert.equal(networkOf(address), network));
  }
});
