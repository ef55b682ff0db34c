import assert from "node:assert/strict";
import type { fluentd_v1_FluentdState_Health as Health } from "../../shared/gen/types.ts";
import { assess, type Evidence, LOADING_MS, SETTLED_MS } from "./health.ts";
import { History } from "./history.ts";
import type { LogFacts } from "./log_events.ts";
import type { Observation, WorkerProcess } from "./manager.ts";
import type { ProcessInfo } from "./proc.ts";

const NOW = 1_000_000_000;

function process(pid: number, ageMs: number, ppid = 1): ProcessInfo {
  const startedAtMs = NOW - ageMs;
  return { pid, ppid, pgid: 1, sid: 1, startTicks: startedAtMs / 10, startedAtMs, argv: [] };
}

function worker(pid: number, ageMs: number, workerId = 0): WorkerProcess {
  return { ...process(pid, ageMs, 10), workerId };
}

const supervisor = process(10, 60_000);

function evidence(
  seen: Partial<Observation>,
  facts: Partial<LogFacts> = {},
  more: Partial<Evidence> = {},
): Evidence {
  return {
    seen: { supervisors: [], workers: [], others: [], ...seen },
    facts: { running: new Set(), starting: new Set(), exitsMs: [], ...facts },
    history: new History(),
    nowMs: NOW,
    ...more,
  };
}

const unit = {
  id: "fluentd.service",
  activeState: "active",
  subState: "running",
  result: "success",
  restarts: 0,
  needsReload: false,
};
const healthy = { supervisors: [supervisor], workers: [worker(11, 60_000)] };
const dying = [NOW - 3000, NOW - 2000, NOW - 1000];

Deno.test("assess() calls nothing healthy that is not", async (t) => {
  const table: [what: string, evidence: Evidence, health: Health, reason?: RegExp][] = [
    ["nothing", evidence({}), "STOPPED"],
    ["all well", evidence(healthy), "HEALTHY"],
    ["a young worker", evidence({ ...healthy, workers: [worker(11, 500)] }), "STARTING", /500 ms/],
    [
      "one young worker of two",
      evidence({ ...healthy, workers: [worker(11, 60_000), worker(12, 500, 1)] }),
      "STARTING",
    ],
    ["no worker yet", evidence({ supervisors: [process(10, 500)] }), "STARTING", /No worker/],
    [
      "no worker for long",
      evidence({ supervisors: [process(10, LOADING_MS + 1)] }),
      "DEGRADED",
      /No worker/,
    ],
    [
      "a worker that only said that it starts",
      evidence({ ...healthy, workers: [worker(11, 5000)] }, { starting: new Set([11]) }),
      "STARTING",
      /not said/,
    ],
    [
      "and has for long",
      evidence(healthy, { starting: new Set([11]) }),
      "DEGRADED",
      /not said/,
    ],
    ["F6 orphans", evidence({ workers: [worker(11, 60_000)] }), "ORPHANED", /11/],
    ["orphaned helpers", evidence({ others: [process(12, 60_000)] }), "ORPHANED", /12/],
    [
      "F3, F4 a crash loop by the log",
      evidence({ ...healthy, workers: [worker(11, 300)] }, {
        exitsMs: dying,
        lastError: "Address already in use",
      }),
      "CRASH_LOOP",
      /Address already in use/,
    ],
    [
      "caught between two workers",
      evidence({ supervisors: [supervisor] }, { exitsMs: dying }),
      "CRASH_LOOP",
    ],
    [
      "a crash loop that has ended",
      evidence({ ...healthy, workers: [worker(11, SETTLED_MS + 1)] }, { exitsMs: dying }),
      "HEALTHY",
    ],
    [
      "deaths of a former life",
      evidence({ supervisors: [process(10, 500)], workers: [worker(11, 300)] }, { exitsMs: dying }),
      "STARTING",
    ],
    [
      "F5 a silent monitor",
      evidence(healthy, {}, { monitorPids: [] }),
      "DEGRADED",
      /does not answer/,
    ],
    [
      "the monitor of another fluentd",
      evidence(healthy, {}, { monitorPids: [99] }),
      "DEGRADED",
      /another process: 99/,
    ],
    ["a monitor that speaks for it", evidence(healthy, {}, { monitorPids: [11] }), "HEALTHY"],
    [
      "systemd about to start it",
      evidence({ unit: { ...unit, activeState: "activating" } }),
      "STARTING",
    ],
    [
      "a failed unit",
      evidence({ unit: { ...unit, activeState: "failed", result: "exit-code" } }),
      "STOPPED",
      /exit-code/,
    ],
    ["active, and nothing there", evidence({ unit }), "STOPPED"],
    [
      "a takeover",
      evidence({ ...healthy, supervisors: [supervisor, process(20, 5000)] }),
      "HEALTHY",
      /Two supervisors/,
    ],
    [
      "a changed unit file",
      evidence({ ...healthy, unit: { ...unit, needsReload: true } }),
      "HEALTHY",
      /daemon-reload/,
    ],
  ];
  for (const [what, seen, health, reason] of table) {
    await t.step(what, () => {
      const verdict = assess(seen);
      assert.equal(verdict.health, health, verdict.reasons.join("; "));
      if (reason !== undefined) assert.match(verdict.reasons.join("; "), reason);
    });
  }
});

Deno.test("History counts rebirths of workers and restarts of the unit", () => {
  const history = new History();
  const look = (seen: Partial<Observation>, nowMs: number) =>
    history.note({ supervisors: [supervisor], workers: [], others: [], ...seen }, nowMs);
  look({ workers: [worker(11, 0), worker(12, 0, 1)] }, 1);
  assert.equal(history.total, 0);
  look({ workers: [worker(12, 0, 1)] }, 2);
  look({ workers: [worker(13, 0), worker(12, 0, 1)] }, 3);
  assert.deepEqual([history.total, history.rebirthsSince(3), history.rebirthsSince(4)], [1, 1, 0]);
  // Looks of several callers at once, the older one last.
  look({ workers: [worker(11, 1000), worker(12, 0, 1)] }, 3);
  look({ workers: [worker(13, 0), worker(12, 0, 1)] }, 3);
  assert.equal(history.total, 1);
  // Another supervisor's workers are no rebirths.
  look({ supervisors: [process(20, 0)], workers: [{ ...worker(21, 0), ppid: 20 }] }, 4);
  assert.equal(history.total, 1);
  look({ unit: { ...unit, restarts: 4 } }, 5);
  assert.equal(history.restartsSince(0), 0, "what was before our first look has no time");
  look({ unit: { ...unit, restarts: 6 } }, 6);
  assert.deepEqual([history.restartsSince(6), history.total], [2, 7]);
  look({ unit: { ...unit, restarts: 0 } }, 7);
  assert.deepEqual([history.restartsSince(0), history.total], [0, 1], "a start by hand");
});
