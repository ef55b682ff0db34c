import assert from "node:assert/strict";
import { Complaint } from "./complaint.ts";

Deno.test("Complaint.isDue() says the same thing once a minute, and another one at once", () => {
  let now = 0;
  const complaint = new Complaint({ now: () => now });
  const table: [atMs: number, message: string, due: boolean][] = [
    [0, "a", true],
    [1_000, "a", false],
    [2_000, "b", true],
    [3_000, "a", true],
    [62_999, "a", false],
    [63_000, "a", true],
    [64_000, "a", false],
  ];
  for (const [atMs, message, due] of table) {
    now = atMs;
    assert.equal(complaint.isDue(message), due, `${message} at ${atMs}`);
  }
  complaint.settle();
  assert.equal(complaint.isDue("a"), true);
});

Deno.test("Complaint says the same less and less often, if it may", () => {
  let now = 0;
  const complaint = new Complaint({ now: () => now, mostMs: 200_000 });
  const saidAt: number[] = [];
  for (; now <= 700_000; now += 10_000) if (complaint.isDue("no")) saidAt.push(now);
  assert.deepEqual(saidAt, [0, 60_000, 180_000, 380_000, 580_000]);
});
