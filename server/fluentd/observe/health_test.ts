import assert from "node:assert/strict";
import type { fluentd_v1_FluentdState_Health as Health } from "../../../shared/gen/types.ts";
import { assess, type Evidence, LOADING_MS, SETTLED_MS } from "./health.ts";
import { History } from "./history.ts";
import type { ConfigFacts } from "../config/reader.ts";
import type { FailingOutput } from "./delivery.ts";
import type { Expected } from "./expectation.ts";
import { type LogFacts, LogStory } from "../log/story.ts";
import type { Observation } from "../manager/manager.ts";
import type { ProcessInfo, WorkerProcess } from "../system/proc.ts";

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
    facts: { ...new LogStory().facts({ supervisors: [], workers: [] }, NOW), ...facts },
    history: new History(),
    expected: { listening: [], closed: [], socketsSeen: false },
    failing: [],
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
const dying = [3000, 2000, 1000].map((agoMs) => ({ worker: 0, timeMs: NOW - agoMs }));
const forward = { proto: "tcp", at: "24224", type: "forward" } as const;
const two = { supervisors: [supervisor], workers: [worker(11, 60_000), worker(12, 60_000, 1)] };

/** Sockets that could be seen. */
function sockets(closed?: Expected["closed"], workers?: number): Partial<Evidence> {
  const expected = { listening: [forward], closed: closed ?? [], socketsSeen: true };
  return { expected: workers === undefined ? expected : { ...expected, workers } };
}

const failing = (failures: number): Partial<Evidence> => {
  const output: FailingOutput = { name: "forward", worker: 0, failures, inMemory: true };
  return { failing: [output] };
};
const broken = { broken: new Map([[0, "failed to reload config: Address already in use"]]) };
/** An output that prints records. */
const printing = { config: { printsRecords: true } as ConfigFacts };

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
        exits: dying,
        lastError: "Address already in use",
      }),
      "CRASH_LOOP",
      /Address already in use/,
    ],
    [
      "caught between two workers",
      evidence({ supervisors: [supervisor] }, { exits: dying }),
      "CRASH_LOOP",
    ],
    [
      "a crash loop that has ended",
      evidence({ ...healthy, workers: [worker(11, SETTLED_MS + 1)] }, { exits: dying }),
      "HEALTHY",
    ],
    [
      "deaths of a former life",
      evidence({ supervisors: [process(10, 500)], workers: [worker(11, 300)] }, { exits: dying }),
      "STARTING",
    ],
    [
      "F5, G16 a monitor that hangs",
      evidence(healthy, {}, { monitor: { pids: [], hung: [0] } }),
      "DEGRADED",
      /does not answer/,
    ],
    [
      "G16 a monitor on a wrong port",
      evidence(healthy, {}, { monitor: { pids: [99], hung: [] } }),
      "HEALTHY",
    ],
    [
      "a monitor that speaks for it",
      evidence(healthy, {}, { monitor: { pids: [11], hung: [] } }),
      "HEALTHY",
    ],
    [
      "G1, G2 a reload that failed half-way",
      evidence(healthy, broken),
      "DEGRADED",
      /Address already in use/,
    ],
    [
      "… of which we cannot tell whether it is a record, and all inputs are open",
      evidence(healthy, broken, sockets()),
      "HEALTHY",
    ],
    [
      "… by a log that has nothing but Fluentd's own lines",
      evidence(healthy, broken, { ...sockets(), config: { printsRecords: false } as ConfigFacts }),
      "DEGRADED",
    ],
    [
      "G11 … where records are printed, and no input is closed",
      evidence(healthy, broken, { ...sockets(), ...printing }),
      "HEALTHY",
    ],
    [
      "G1 an input that is closed",
      evidence(healthy, { running: new Set([11]) }, sockets([forward])),
      "DEGRADED",
      /tcp 24224 \(forward\)/,
    ],
    [
      "an input that is not open yet",
      evidence({ ...healthy, workers: [worker(11, 900)] }, {}, sockets([forward])),
      "STARTING",
    ],
    [
      "G3 a worker that never came",
      evidence(healthy, {}, sockets([], 2)),
      "DEGRADED",
      /Worker 1 of 2/,
    ],
    [
      "G4 one of two between two lives",
      evidence({ ...two, workers: [worker(11, 60_000)] }, {
        exits: dying.map((exit) => ({ ...exit, worker: 1 })),
      }, sockets([], 2)),
      "CRASH_LOOP",
    ],
    [
      "G4 one of two in its next short life",
      evidence({ ...two, workers: [worker(11, 60_000), worker(12, 500, 1)] }, {
        exits: dying.map((exit) => ({ ...exit, worker: 1 })),
      }, sockets([], 2)),
      "CRASH_LOOP",
    ],
    [
      "G11 deaths that a living worker disproves",
      evidence({ ...healthy, workers: [worker(11, 4000)] }, {
        exits: dying,
        running: new Set([11]),
      }),
      "HEALTHY",
    ],
    [
      "F4 one that is silent for long, and whose supervisor has said that it starts",
      evidence({ ...healthy, workers: [worker(11, LOADING_MS - 1)] }, { speaks: true }),
      "STARTING",
      /not said/,
    ],
    [
      "… and for so long that it must be its log that fails",
      evidence({ ...healthy, workers: [worker(11, LOADING_MS)] }, { speaks: true }),
      "HEALTHY",
    ],
    [
      "G10 a young worker of which nobody says anything",
      evidence({ ...healthy, workers: [worker(11, 4000)] }),
      "STARTING",
      /not said/,
    ],
    [
      "G10 the same, and its inputs are open",
      evidence({ ...healthy, workers: [worker(11, 4000)] }, {}, sockets()),
      "HEALTHY",
    ],
    [
      "G10, C8 said that it starts, no more, and its inputs are open",
      evidence(healthy, { starting: new Set([11]) }, sockets()),
      "HEALTHY",
    ],
    ["G15 an output that failed once", evidence(healthy, {}, failing(1)), "HEALTHY"],
    [
      "G15 an output that cannot deliver",
      evidence(healthy, {}, failing(3)),
      "DEGRADED",
      /cannot deliver/,
    ],
    [
      "G12 systemd has given up",
      evidence(
        { unit: { ...unit, activeState: "failed", result: "start-limit-hit" } },
        {},
        { history: { rebirthsSince: () => 0, restartsSince: () => 5 } },
      ),
      "STOPPED",
      /start-limit-hit/,
    ],
    [
      "G12 between two lives",
      evidence({ unit: { ...unit, activeState: "deactivating", result: "exit-code" } }),
      "DEGRADED",
      /has yet to say/,
    ],
    [
      "systemd starts it again and again",
      evidence(
        { unit: { ...unit, activeState: "activating" } },
        {},
        { history: { rebirthsSince: () => 0, restartsSince: () => 5 } },
      ),
      "CRASH_LOOP",
    ],
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
    [
      "active and exited",
      evidence({ unit: { ...unit, activeState: "active", subState: "exited" } }),
      "STOPPED",
    ],
    [
      "G12 it has ended, and systemd has not noticed",
      evidence({ unit: { ...unit, activeState: "active", subState: "running" } }),
      "DEGRADED",
      /has yet to say/,
    ],
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

Deno.test("G15: assess() tells one that cannot deliver from one that does not collect", () => {
  assert.equal(assess(evidence(healthy, {}, failing(3))).collects, true);
  assert.equal(assess(evidence(healthy, broken)).collects, false);
});
