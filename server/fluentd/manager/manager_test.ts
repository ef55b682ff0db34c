import assert from "node:assert/strict";
import { sortProcesses } from "./manager.ts";
import { readProcess } from "../system/proc.ts";
import { until } from "../testing/kit.ts";

/** Looks like a worker, with this number in its environment or with none. */
function worker(id?: string) {
  return new Deno.Command("/bin/sh", {
    args: ["-c", "read line", "--under-supervisor"],
    clearEnv: true,
    env: id === undefined ? {} : { SERVERENGINE_WORKER_ID: id },
    stdin: "piped",
  }).spawn();
}

Deno.test("sortProcesses() gives no worker the number of another one", async () => {
  await using second = worker("1");
  const { pid } = second;
  const elder = await until("a worker", async () => {
    const found = await readProcess(pid);
    return found?.argv.includes("--under-supervisor") ? found : undefined;
  });
  await using reborn = worker();
  // As it is seen before it has become a worker's program: without an environment.
  const younger = { ...elder, pid: reborn.pid, startTicks: elder.startTicks + 1 };
  const { workers } = await sortProcesses([elder, younger], undefined);
  assert.deepEqual(workers.map(({ pid, workerId }) => [pid, workerId]), [
    [second.pid, 1],
    [reborn.pid, 0],
  ]);
  await Promise.all([second.stdin.close(), reborn.stdin.close()]);
});
