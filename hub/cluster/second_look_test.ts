import assert from "node:assert/strict";
import { until } from "../../tests/support/until.ts";
import { MemoryEngine } from "../engine/memory_engine.ts";
import { ClusterKeys } from "./keys.ts";
import { Membership } from "./membership.ts";
import { MAX_LOOKS, SecondLook } from "./second_look.ts";
import { GivenEngine } from "./testing/given_engine.ts";

Deno.test("SecondLook reads a name once at a time, and only a few names at once", async () => {
  await using memory = new MemoryEngine();
  const engine = new GivenEngine(memory);
  const { promise, resolve } = Promise.withResolvers<void>();
  engine.hold = promise;
  const keys = new ClusterKeys("test");
  const looks = new SecondLook({ engine, keys, membership: new Membership({ engine, keys }) });
  for (let i = 0; i < 10; i++) looks.look("edge-1");
  for (let i = 0; i < 10 * MAX_LOOKS; i++) looks.look(`edge-${i}`);
  await until("as many as may be", () => engine.held === MAX_LOOKS);
  resolve();
  await until("all to have ended", () => engine.held === 0);
  assert.equal(engine.committed, MAX_LOOKS);
});
