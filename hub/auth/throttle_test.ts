import assert from "node:assert/strict";
import { networkOf, Throttle } from "./throttle.ts";

Deno.test("Throttle lets a burst of wrong credentials through, and then one a second", () => {
  let now = 0;
  const throttle = new Throttle({ burst: 3, now: () => now });
  for (let i = 0; i < 3; i++) {
    assert.equal(throttle.waitMs("192.0.2.7"), 0);
    throttle.failed("192.0.2.7");
  }
  assert.equal(throttle.waitMs("192.0.2.7"), 1000);
  assert.equal(throttle.waitMs("192.0.2.8"), 0, "another address is not concerned");
  now = 400;
  assert.equal(throttle.waitMs("192.0.2.7"), 600);
  now = 1000;
  assert.equal(throttle.waitMs("192.0.2.7"), 0);
  throttle.failed("192.0.2.7");
  assert.equal(throttle.waitMs("192.0.2.7"), 1000);
  now = 60_000;
  for (let i = 0; i < 3; i++) throttle.failed("192.0.2.7");
  assert.equal(throttle.waitMs("192.0.2.7"), 1000, "no more than a burst is saved up");
});

Deno.test("Throttle remembers a bounded number of addresses, the latest", () => {
  const throttle = new Throttle({ burst: 1, maxAddresses: 2, now: () => 0 });
  for (const address of ["a", "b", "a", "c"]) throttle.failed(address);
  assert.deepEqual(["a", "b", "c"].map((address) => throttle.waitMs(address)), [1000, 0, 1000]);
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
