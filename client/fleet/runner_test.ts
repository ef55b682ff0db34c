import assert from "node:assert/strict";
import { fc } from "../../shared/testing/property.ts";
import { type FleetRun, runFleet } from "./runner.ts";

const TARGETS = ["a", "b", "c", "d", "e"];

function fleet(run: FleetRun["run"], options: Partial<FleetRun> = {}): FleetRun {
  return {
    ...{ targets: TARGETS, parallel: 2, canary: 0, maxFailures: Infinity, run },
    stopped: () => false,
    ...options,
  };
}

Deno.test("each target is run once, never more than --parallel at once, and the rest is told", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.record({ ok: fc.boolean(), turns: fc.nat(5) }), { maxLength: 30 }),
    fc.integer({ min: 1, max: 8 }),
    fc.nat(10),
    fc.nat(10),
    async (behaviours, parallel, canary, maxFailures) => {
      const targets = behaviours.map((_, i) => String(i));
      const started: string[] = [];
      let running = 0;
      let most = 0;
      let failures = 0;
      const untried = await runFleet({
        ...{ targets, parallel, canary, maxFailures, stopped: () => false },
        run: async (target) => {
          // Several at a time may end in one turn, before the next one is looked at.
          if (parallel === 1) assert.ok(failures <= maxFailures);
          started.push(target);
          most = Math.max(most, ++running);
          const { ok, turns } = behaviours[Number(target)]!;
          for (let i = 0; i < turns; i++) await Promise.resolve();
          running--;
          if (!ok) failures++;
          return ok;
        },
      });
      assert.ok(most <= parallel);
      assert.deepEqual([...started, ...untried], targets);
      const first = behaviours.slice(0, canary);
      if (first.some(({ ok }) => !ok)) assert.ok(started.length <= canary);
      else if (failures <= maxFailures) assert.deepEqual(untried, []);
    },
  ));
});

Deno.test("a slow target does not hold up the others", async () => {
  const slow = Promise.withResolvers<boolean>();
  const rest = Promise.withResolvers<void>();
  let done = 0;
  const running = runFleet(fleet((target) => {
    if (target === "a") return slow.promise;
    if (++done === TARGETS.length - 1) rest.resolve();
    return Promise.resolve(true);
  }));
  await rest.promise;
  slow.resolve(true);
  assert.deepEqual(await running, []);
});

Deno.test("what a run throws ends all when the others have ended", async () => {
  const slow = Promise.withResolvers<boolean>();
  const started: string[] = [];
  let ended = false;
  const running = runFleet(fleet(async (target) => {
    started.push(target);
    if (target === "b") throw new Error("no disk");
    ended = await slow.promise;
    return true;
  }));
  slow.resolve(true);
  await assert.rejects(running, /no disk/);
  assert.deepEqual([started, ended], [["a", "b"], true]);
});

Deno.test("nothing is started once it is to stop, nor without room", async () => {
  let count = 0;
  const run = () => Promise.resolve(++count > 0);
  assert.deepEqual(await runFleet(fleet(run, { parallel: 1, stopped: () => count >= 2 })), [
    ...["c", "d", "e"],
  ]);
  const room = Promise.withResolvers<void>();
  count = 0;
  const running = runFleet(fleet(run, { room: () => room.promise }));
  await Promise.resolve();
  assert.equal(count, 0);
  room.resolve();
  assert.deepEqual(await running, []);
});

Deno.test("what a run throws ends also the wait for room, which that run would have made", async () => {
  let asked = 0;
  const running = runFleet(fleet(() => Promise.reject(new Error("nobody reads")), {
    room: () => asked++ === 0 ? Promise.resolve() : new Promise(() => {}),
  }));
  await assert.rejects(running, /nobody reads/);
  assert.equal(asked, 2);
});
