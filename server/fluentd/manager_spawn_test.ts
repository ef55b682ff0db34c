import assert from "node:assert/strict";
import { isSpawnState, SpawnManager } from "./manager_spawn.ts";
import { tempDir } from "./test_kit.ts";

Deno.test("isSpawnState() refuses a leader that would be everybody", async (t) => {
  const state = { version: 1, mark: "m", bootId: "b" };
  assert.ok(isSpawnState(state));
  assert.ok(isSpawnState({ ...state, leader: { pid: 2, startTicks: 7 } }));
  for (
    const bad of [
      null,
      {},
      { ...state, version: 2 },
      // An empty mark would be found in every environment that has the variable empty.
      { ...state, mark: "" },
      { ...state, leader: { pid: 0, startTicks: 7 } },
      { ...state, leader: { pid: 1, startTicks: 7 } },
      { ...state, leader: { pid: -1, startTicks: 7 } },
      { ...state, leader: { pid: "2", startTicks: 7 } },
      { ...state, leader: { pid: 2 } },
    ]
  ) {
    await t.step(JSON.stringify(bad), () => assert.equal(isSpawnState(bad), false));
  }
});

Deno.test("SpawnManager.open() refuses commands that it cannot keep", async (t) => {
  await using dir = await tempDir();
  for (const command of [[], ["fluentd", "-d", "/run/f.pid"], ["fluentd", "--daemon=/run/f.pid"]]) {
    await t.step(
      JSON.stringify(command),
      () => assert.rejects(SpawnManager.open({ command, stateDir: dir.path }), TypeError),
    );
  }
});
