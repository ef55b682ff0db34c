import assert from "node:assert/strict";
import {
  descendantsOf,
  isSameProcess,
  listStats,
  parseStat,
  readEnv,
  readProcess,
  signalProcess,
} from "./proc.ts";
import { until } from "../testing/kit.ts";

function sleeper(env: Record<string, string> = {}) {
  return new Deno.Command("sleep", { args: ["60"], env, stdout: "null", stderr: "null" }).spawn();
}

Deno.test("parseStat() reads a line whatever the program calls itself", async (t) => {
  const tail = "S 6720 6722 6721 0 -1 4194304 9031 1544 0 1 39 8 0 0 20 0 4 0 87197 314064896";
  for (const comm of ["fluentd", "a b", "x) R 1 2 3", "((", ")"]) {
    await t.step(comm, () =>
      assert.deepEqual(parseStat(`42 (${comm}) ${tail}`), {
        comm,
        pid: 42,
        state: "S",
        ppid: 6720,
        pgid: 6722,
        sid: 6721,
        startTicks: 87197,
      }));
  }
  for (const bad of ["", "42", "42 (x) S 1 2", "x (y) S 1 1 1"]) {
    await t.step(JSON.stringify(bad), () => assert.equal(parseStat(bad), undefined));
  }
});

Deno.test("readProcess() sees a child with its command line, start and environment", async () => {
  await using child = sleeper({ GHUB_TEST: "a=b" });
  // Until exec it is still a copy of us.
  let seen = await readProcess(child.pid);
  while (seen?.argv.at(-1) !== "60") seen = await readProcess(child.pid);
  assert.deepEqual(seen.argv.slice(1), ["60"]);
  assert.equal(seen.ppid, Deno.pid);
  assert.ok(Math.abs(seen.startedAtMs - Date.now()) < 60_000, "btime plus ticks is about now");
  const env = await until("its environment", () => readEnv(child.pid, "GHUB_TEST"));
  assert.equal(env, "a=b");
  assert.equal(await readEnv(child.pid, "GHUB_NOT"), null);
  assert.ok((await listStats()).some((stat) => isSameProcess(stat, seen)));
});

Deno.test("readProcess() tells the same start each time", async () => {
  const startedAt = async () => (await readProcess(Deno.pid))!.startedAtMs;
  // The first look may have been a slow one, which a later one puts right.
  for (let i = 0; i < 50; i++) await startedAt();
  const starts = new Set<number>();
  // The clock and the uptime tick at different moments.
  for (const from = Date.now(); Date.now() < from + 50;) starts.add(await startedAt());
  assert.equal(starts.size, 1);
});

Deno.test("readProcess() counts a zombie as gone", async () => {
  // The shell becomes a `sleep` that never collects its child, which ends only then.
  const child = 'until grep -q sleep "/proc/$$/comm"; do :; done';
  await using parent = new Deno.Command("sh", {
    args: ["-c", `(${child}) & echo $!; exec sleep 60`],
    stdout: "piped",
  }).spawn();
  const reader = parent.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  await reader.cancel();
  while (await readProcess(pid) !== undefined);
  assert.match(await Deno.readTextFile(`/proc/${pid}/stat`), /\) Z /);
});

Deno.test("descendantsOf() finds children of children, and no other", async () => {
  await using parent = new Deno.Command("sh", {
    args: ["-c", "sh -c 'sleep 60 & wait' & sleep 60 & wait"],
  }).spawn();
  await using other = sleeper();
  const found = await until("all four", async () => {
    const pids = await descendantsOf([parent.pid]);
    return pids.size === 4 ? pids : undefined;
  });
  assert.equal(found.has(other.pid), false);
  for (const pid of [...found].reverse()) Deno.kill(pid, "SIGKILL");
});

Deno.test("signalProcess() spares a process that only has the same PID", async () => {
  await using child = sleeper();
  const seen = await readProcess(child.pid);
  assert.ok(seen);
  const former = { ...seen, startTicks: seen.startTicks - 1 };
  assert.equal(isSameProcess(seen, former), false);
  assert.equal(await signalProcess(former, "SIGKILL"), false);
  assert.ok(await readProcess(child.pid), "it still lives");
  assert.equal(await signalProcess(seen, "SIGTERM"), true);
  assert.equal((await child.status).signal, "SIGTERM");
  assert.equal(await signalProcess(seen, "SIGTERM"), false);
});

Deno.test("signalProcess() refuses what is no single process", async (t) => {
  for (const pid of [1, 0, -1, -Deno.pid, NaN, 1.5]) {
    await t.step(String(pid), () =>
      // SIGCONT does nothing to whoever would get it, should this test ever fail.
      assert.rejects(signalProcess({ pid, startTicks: 0 }, "SIGCONT"), RangeError));
  }
});
