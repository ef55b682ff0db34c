import assert from "node:assert/strict";
import type { FluentdManager, Observation } from "../manager/manager.ts";
import { FileLog } from "../log/tail.ts";
import { Observer } from "./observer.ts";
import { readProcess } from "../system/proc.ts";

Deno.test("Observer.glance() lets no look count that a newer one has overtaken", async () => {
  const looks: PromiseWithResolvers<Observation>[] = [];
  const manager = {
    observe() {
      const look = Promise.withResolvers<Observation>();
      looks.push(look);
      return look.promise;
    },
  } as Pick<FluentdManager, "observe"> as FluentdManager;
  const observer = new Observer({ manager });
  const { signal } = new AbortController();
  const unit = { id: "", activeState: "", subState: "", result: "", needsReload: false };
  const restarted = (restarts: number): Observation => (
    { supervisors: [], workers: [], others: [], unit: { ...unit, restarts } }
  );
  const first = observer.glance({ signal });
  looks[0]!.resolve(restarted(1));
  await first;
  const slow = observer.glance({ signal });
  const fast = observer.glance({ signal });
  looks[2]!.resolve(restarted(2));
  await fast;
  looks[1]!.resolve(restarted(1));
  assert.deepEqual(await slow, restarted(1));
  assert.equal(observer.history.restartsSince(0), 1);
});

Deno.test("F4: Observer.look() does not judge a worker that ended while witnesses were heard", async () => {
  const child = new Deno.Command("sleep", { args: ["600"] }).spawn();
  const ancient = { ...(await readProcess(child.pid))!, startedAtMs: Date.now() - 60_000 };
  const parent = { ...(await readProcess(Deno.pid))!, startedAtMs: ancient.startedAtMs };
  const manager = {
    observe: () =>
      Promise.resolve({
        supervisors: [parent],
        workers: [{ ...ancient, workerId: 0 }],
        others: [],
      }),
    launch: () => Promise.resolve({ argv: ["fluentd", "-c", "/none"] }),
    log: () => Promise.resolve(new FileLog([])),
  } as Partial<FluentdManager> as FluentdManager;
  const observer = new Observer({ manager });
  const { signal } = new AbortController();
  const alive = await observer.look({ signal });
  assert.equal(alive.verdict.health, "HEALTHY", "by its age, which is all that is known");
  child.kill("SIGKILL");
  await child.status;
  const { verdict, seen } = await observer.look({ signal });
  assert.deepEqual([verdict.health, seen.workers], ["DEGRADED", []]);
});

Deno.test("G11: Observer.look() takes no record for a death whose worker began after its glance", async () => {
  const dir = await Deno.makeTempDir();
  const log = `${dir}/fluentd.log`;
  const record = "2099-01-01 00:00:00 +0000 [error]: Worker 0 exited unexpectedly with status 1\n";
  const parent = { ...(await readProcess(Deno.pid))!, startedAtMs: Date.now() - 60_000 };
  let glances = 0;
  const manager = {
    async observe() {
      glances++;
      const seen = { supervisors: [parent], workers: [], others: [] };
      if (glances > 1) return { ...seen, workers: [{ ...parent, workerId: 0 }] };
      await Deno.writeTextFile(log, record.repeat(100));
      return seen;
    },
    launch: () => Promise.resolve({ argv: ["fluentd", "-c", "/none"] }),
    log: () => Promise.resolve(new FileLog([log])),
  } as Partial<FluentdManager> as FluentdManager;
  try {
    await Deno.writeTextFile(log, "");
    const observer = new Observer({ manager });
    const { signal } = new AbortController();
    const { verdict, facts, warnings } = await observer.look({ signal });
    assert.equal(facts.exits.length, 100, "naive");
    assert.notEqual(verdict.health, "CRASH_LOOP");
    assert.ok(!warnings.some(({ code }) => code === "WORKER_DIED"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
