import assert from "node:assert/strict";
import { isSpawnState, SpawnManager } from "./spawn.ts";
import { hasEnded, readProcess } from "../system/proc.ts";
import { tempDir, until } from "../testing/kit.ts";

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

Deno.test("SpawnManager.observe() answers while a process only seems to have ended", async () => {
  await using dir = await tempDir();
  // Its first thread ends and is a zombie in /proc; another one lives on.
  const script = "import ctypes, os, threading, time\n" +
    "threading.Thread(target=time.sleep, args=(600,)).start()\n" +
    `while not os.path.exists("${dir.path}/go"): time.sleep(0.01)\n` +
    "ctypes.CDLL(None).pthread_exit(None)";
  await using manager = await SpawnManager.open({
    command: ["/usr/bin/python3", "-c", script],
    stateDir: dir.path,
  });
  const { signal } = new AbortController();
  await manager.start({ signal });
  const { leader: { pid } } = JSON.parse(await Deno.readTextFile(`${dir.path}/fluentd.json`));
  await Deno.writeTextFile(`${dir.path}/go`, "");
  await until("the zombie", async () => (await readProcess(pid)) === undefined);
  assert.deepEqual((await manager.observe({ signal })).supervisors, []);
  assert.equal(await hasEnded(pid), false);
  Deno.kill(pid, "SIGKILL");
  const { lastExit } = await until("its end", async () => {
    const seen = await manager.observe({ signal });
    return seen.lastExit && seen;
  });
  assert.equal(lastExit?.signal, "SIGKILL");
  assert.equal(await hasEnded(pid), true);
});

/** Looks one after another that take longer than one that began before them, on any machine. */
const ENOUGH = 100;

Deno.test("SpawnManager.observe() does not take what starts meanwhile for ended", async () => {
  await using dir = await tempDir();
  const command = ["/bin/sleep", "600"];
  await using manager = await SpawnManager.open({ command, stateDir: dir.path });
  const { signal } = new AbortController();
  let underWay = 10;
  const early = Array.from({ length: underWay }, async () => {
    await manager.observe({ signal });
    underWay--;
  });
  await manager.start({ signal });
  for (let looks = 0; looks < ENOUGH && underWay > 0; looks++) await manager.observe({ signal });
  const waiting = underWay;
  await manager.kill({ signal });
  await Promise.all(early);
  await until("its end", async () => (await manager.observe({ signal })).lastExit);
  assert.equal(waiting, 0, "looks that waited for something");
});

Deno.test("SpawnManager.observe() tells with each end how it came", async () => {
  const { signal } = new AbortController();
  let unexplained = 0;
  for (let round = 0; round < 20; round++) {
    await using dir = await tempDir();
    const command = ["/bin/sleep", "60"];
    await using manager = await SpawnManager.open({ command, stateDir: dir.path });
    await manager.start({ signal });
    const { supervisors: [main] } = await manager.observe({ signal });
    // Looks at every stage: some have it in their list of processes, but no more when they read on.
    const looks = Array.from({ length: 20 }, async (_, i) => {
      for (let turn = 0; turn < i * 2; turn++) await Deno.stat("/proc/self");
      return await manager.observe({ signal });
    });
    for (let turn = 0; turn < round; turn++) await Deno.stat("/proc/self");
    Deno.kill(main!.pid, "SIGKILL");
    for (const { supervisors, lastExit } of await Promise.all(looks)) {
      if (supervisors.length === 0 && lastExit?.signal !== "SIGKILL") unexplained++;
    }
    await until("its end", async () => (await manager.observe({ signal })).lastExit);
  }
  assert.equal(unexplained, 0);
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
