import assert from "node:assert/strict";
import type { ConfigFacts } from "../config/reader.ts";
import type { WorkerProcess } from "../system/proc.ts";
import { HUNG_MS, type MonitorLook, MonitorMemory } from "./monitor_memory.ts";
import type { Listener } from "../system/sockets.ts";

const PORT = 24220;

function worker(pid: number, workerId = 0): WorkerProcess {
  return { pid, ppid: 1, pgid: 1, sid: 1, startTicks: pid, startedAtMs: 0, argv: [], workerId };
}

function config(at?: string): ConfigFacts {
  const listening = at === undefined ? [] : [{ proto: "tcp", at, type: "monitor_agent" } as const];
  return {
    path: "/fluent.conf",
    changedMs: 0,
    sources: 1,
    listening,
    outputs: [],
    emptyIncludes: [],
    printsRecords: false,
  };
}

/** One look: these workers live, these PIDs answer, and these hold these ports. */
function look(
  workers: readonly WorkerProcess[],
  answering: readonly number[],
  ports: Record<number, number> = {},
  configured = config(String(PORT)),
  nowMs = 0,
): MonitorLook {
  const listeners = Object.entries(ports).map(([pid, port]): [number, Listener[]] => [
    Number(pid),
    [{ proto: "tcp", at: String(port) }],
  ]);
  return {
    seen: { supervisors: [], workers, others: [] },
    identities: answering.map((pid) => ({ pid, version: "1.18.0" })) as MonitorLook["identities"],
    port: PORT,
    config: configured,
    listeners: new Map(listeners),
    nowMs,
  };
}

const one = [worker(10)];
const two = [worker(10), worker(11, 1)];

const LOOKS: Record<
  string,
  [looks: MonitorLook[], hung: number[], elsewhere: RegExp | undefined]
> = {
  "it answers": [[look(one, [10])], [], undefined],
  "nothing runs": [[look([], [])], [], undefined],
  "it listens there and does not answer": [[look(one, [], { 10: PORT })], [0], undefined],
  "it answered before, in this life": [[look(one, [10]), look(one, [])], [0], undefined],
  "its former life answered": [[look(one, [10]), look([worker(20)], [])], [], /Nobody of this/],
  "the second of two hangs, on its own port": [
    [look(two, [10], { 11: PORT + 1 })],
    [1],
    undefined,
  ],
  "the monitor is the first worker's alone": [[look(two, [10])], [], undefined],
  "the second holds the first one's port": [[look(two, [10], { 11: PORT })], [], undefined],
  "nobody listens there": [[look(one, [], {}, config("24999"))], [], /has it on 24999/],
  "it has none": [[look(one, [], {}, config())], [], /has no monitor_agent/],
  "another process answers": [[look(one, [99])], [], /answered by another process, 99/],
};

Deno.test("MonitorMemory tells a hung worker from a wrong address", async (t) => {
  for (const [name, [looks, hung, elsewhere]] of Object.entries(LOOKS)) {
    await t.step(name, () => {
      const memory = new MonitorMemory();
      for (const each of looks) memory.note(each);
      const facts = memory.note({ ...looks.at(-1)!, nowMs: HUNG_MS });
      assert.deepEqual(facts.hung, hung);
      if (elsewhere === undefined) assert.equal(facts.elsewhere, undefined);
      else assert.match(facts.elsewhere ?? "", elsewhere);
    });
  }
});

Deno.test("MonitorMemory remembers MAX_REMEMBERED lives, those that answered last", () => {
  const memory = new MonitorMemory();
  const lives = Array.from({ length: 101 }, (_, i) => worker(100 + i));
  for (const life of lives) memory.note(look([life], [life.pid]));
  const hungAfter = (life: WorkerProcess) => {
    memory.note(look([life], []));
    return memory.note({ ...look([life], []), nowMs: HUNG_MS }).hung;
  };
  assert.deepEqual(hungAfter(lives[1]!), [0]);
  assert.deepEqual(hungAfter(lives[0]!), [], "forgotten");
});

Deno.test("MonitorMemory gives a busy machine HUNG_MS to answer, from each silence's first look", () => {
  const memory = new MonitorMemory();
  const hungAt = (nowMs: number, answering: readonly number[] = []) =>
    memory.note({ ...look(one, answering, { 10: PORT }), nowMs }).hung;
  assert.deepEqual([hungAt(0), hungAt(HUNG_MS - 1), hungAt(HUNG_MS)], [[], [], [0]]);
  assert.deepEqual(hungAt(HUNG_MS + 1, [10]), []);
  assert.deepEqual([hungAt(HUNG_MS + 2), hungAt(2 * HUNG_MS + 2)], [[], [0]]);
});
