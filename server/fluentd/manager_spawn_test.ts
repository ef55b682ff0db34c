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

Deno.test("SpawnManager.tend() bounds the captured output and keeps its end", async () => {
  await using dir = await tempDir();
  await using manager = await SpawnManager.open({ command: ["fluentd"], stateDir: dir.path });
  const path = `${dir.path}/fluentd.log`;
  await manager.tend();
  await Deno.writeTextFile(path, "x".repeat(9 * 1024 * 1024) + "last line\n");
  await manager.tend();
  assert.equal((await Deno.stat(path)).size, 0);
  const kept = await Deno.readTextFile(`${path}.1`);
  assert.equal(kept.length, 8 * 1024 * 1024);
  assert.ok(kept.endsWith("last line\n"));
  await Deno.writeTextFile(path, "short\n");
  await manager.tend();
  assert.equal(await Deno.readTextFile(path), "short\n");
});
