import assert from "node:assert/strict";
import { JointLinks, jointLinksMemory } from "./joint_links.ts";

Deno.test("JointLinks sums up what each worker tells, and keeps the longest round trips", () => {
  const memory = jointLinksMemory(3);
  const [one, all] = [new JointLinks(memory, 3), new JointLinks(memory, 3)];
  const none = { answered: 0, refused: 0, unknown: 0, stopped: 0 };
  assert.deepEqual(all.usage, { up: 0, down: 0, forwarded: none, roundTrips: [] });
  const trips = (...all: [hub: string, rttMs: number][]) =>
    all.map(([hub, rttMs]) => ({ hub, rttMs }));
  one.tell(1, {
    up: 2,
    down: 0,
    forwarded: { answered: 1, refused: 2, unknown: 3, stopped: 4 },
    roundTrips: trips(["worker-2", 0.1], ["worker-3", 7]),
  });
  const forwarded = { ...none, answered: 10 };
  one.tell(3, { up: 1, down: 1, forwarded, roundTrips: trips(["worker-2", 0.2]) });
  assert.deepEqual(all.usage, {
    up: 3,
    down: 1,
    forwarded: { answered: 11, refused: 2, unknown: 3, stopped: 4 },
    roundTrips: trips(["worker-2", 0.2], ["worker-3", 7]),
  });
  // A link that is lost has no round trip any more.
  one.tell(1, { up: 1, down: 1, forwarded: none, roundTrips: [] });
  assert.deepEqual(all.usage.roundTrips, trips(["worker-2", 0.2]));
});
