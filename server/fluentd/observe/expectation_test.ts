import assert from "node:assert/strict";
import type { ConfigFacts } from "../config/reader.ts";
import { Expectations, type Expected } from "./expectation.ts";
import type { ProcessInfo, WorkerProcess } from "../system/proc.ts";

const SUPERVISOR = 1;
const WORKER = 10;

interface Case {
  /** When the config was changed and where it says to listen; absent: it cannot be read. */
  readonly config?: {
    readonly changedMs: number;
    readonly ports: number[];
    readonly workers?: number;
  };
  /** When the worker was born. */
  readonly bornMs?: number;
  /** On what it listens; absent: it cannot be looked into. */
  readonly holds?: number[];
  readonly rebuiltMs?: number;
  readonly argv?: string[];
  readonly workers?: number;
}

function process(pid: number, startedAtMs: number, argv: string[] = []): ProcessInfo {
  return { pid, ppid: SUPERVISOR, pgid: 1, sid: 1, startTicks: startedAtMs, startedAtMs, argv };
}

function configOf({ changedMs, ports, workers }: NonNullable<Case["config"]>): ConfigFacts {
  return {
    path: "/fluent.conf",
    changedMs,
    sources: ports.length,
    listening: ports.map((port) => ({ proto: "tcp", at: String(port), type: "tcp" })),
    outputs: [],
    emptyIncludes: [],
    printsRecords: false,
    ...(workers === undefined ? {} : { workers }),
  };
}

function note(expectations: Expectations, given: Case): Expected {
  const { config, bornMs = 100, holds, rebuiltMs, argv = [], workers = 1 } = given;
  const living = Array.from({ length: workers }, (_, workerId): WorkerProcess => ({
    ...process(WORKER + workerId, bornMs),
    workerId,
  }));
  const listeners = holds?.map((port) => ({ proto: "tcp" as const, at: String(port) }));
  return expectations.note({
    seen: { supervisors: [process(SUPERVISOR, bornMs, argv)], workers: living, others: [] },
    config: config && configOf(config),
    listeners: new Map(
      listeners === undefined ? [] : living.map(({ pid }) => [pid, listeners] as const),
    ),
    facts: { rebuiltMs: new Map(rebuiltMs === undefined ? [] : [[0, rebuiltMs]]) },
  });
}

const old = { changedMs: 0, ports: [1, 2] };
/** Written after the worker was born. */
const fresh = { changedMs: 200, ports: [2, 3] };

/** The last look is what is asked about: where it should listen, and where nobody does. */
const INPUTS: Record<string, [looks: Case[], listening: number[], closed: number[]]> = {
  "the config is older than the worker": [[{ config: old, holds: [1, 2] }], [1, 2], []],
  "and an input of it is closed": [[{ config: old, holds: [2] }], [1, 2], [1]],
  "sockets that cannot be seen are not closed": [[{ config: old }], [1, 2], []],
  "the config is younger, and the former one was never seen": [
    [{ config: fresh, holds: [1, 2] }],
    [],
    [],
  ],
  "… and what both have is lost": [
    [{ config: fresh, holds: [1, 2] }, { config: fresh, holds: [1] }],
    [],
    [2],
  ],
  "… and what the new one does not have is closed": [
    [{ config: fresh, holds: [1, 2] }, { config: fresh, holds: [2] }],
    [],
    [],
  ],
  "the config is younger, and the former one was seen: what both name": [
    [{ config: old, holds: [1, 2] }, { config: fresh, holds: [1] }],
    [2],
    [2],
  ],
  "it was rebuilt since, so that it has read the new one": [
    [{ config: old, holds: [1, 2] }, { config: fresh, rebuiltMs: 300, holds: [2] }],
    [2, 3],
    [3],
  ],
  "another life knows nothing of the former one": [
    [{ config: old, holds: [1, 2] }, { config: fresh, bornMs: 300, holds: [2, 3] }],
    [2, 3],
    [],
  ],
  "without a config, one of two closed may be well": [[{ holds: [1, 2] }, { holds: [1] }], [], []],
  "without a config, all closed is ill": [[{ holds: [1] }, { holds: [] }], [], [1]],
};

Deno.test("Expectations tells where workers should listen, and where nobody does", async (t) => {
  for (const [name, [looks, listening, closed]] of Object.entries(INPUTS)) {
    await t.step(name, () => {
      const expectations = new Expectations();
      const expected = looks.map((look) => note(expectations, look)).at(-1)!;
      assert.deepEqual(expected.listening.map(({ at }) => Number(at)), listening);
      assert.deepEqual(expected.closed.map(({ at }) => Number(at)), closed);
      assert.equal(expected.socketsSeen, looks.at(-1)!.holds !== undefined);
    });
  }
});

const WORKERS: Record<string, [looks: Case[], workers: number | undefined]> = {
  "by the config": [[{ config: { ...old, workers: 2 } }], 2],
  "by --workers, which wins": [[{ config: { ...old, workers: 2 }, argv: ["--workers", "3"] }], 3],
  "by --workers=": [[{ argv: ["fluentd", "--workers=4"] }], 4],
  "not by a config that was written later": [
    [{ config: { ...old, workers: 2 } }, { config: { ...fresh, workers: 5 } }],
    2,
  ],
  "not by a reload of a worker": [
    [{ config: { ...old, workers: 2 } }, { config: { ...fresh, workers: 5 }, rebuiltMs: 300 }],
    2,
  ],
  "by those that live, where nothing tells": [[{ workers: 2 }], 2],
  "not at all": [[{ workers: 0 }], undefined],
};

Deno.test("Expectations tells how many workers there should be", async (t) => {
  for (const [name, [looks, workers]] of Object.entries(WORKERS)) {
    await t.step(name, () => {
      const expectations = new Expectations();
      assert.equal(looks.map((look) => note(expectations, look)).at(-1)!.workers, workers);
    });
  }
});

Deno.test("Expectations remembers MAX_REMEMBERED processes, those that were seen last", () => {
  const expectations = new Expectations();
  const first = { bornMs: 100, holds: [1] };
  note(expectations, first);
  // Each is a supervisor and a worker.
  for (let i = 1; i <= 50; i++) note(expectations, { bornMs: 100 + i, holds: [1] });
  assert.deepEqual(note(expectations, { ...first, holds: [] }).closed, [], "forgotten");
  note(expectations, { bornMs: 1000, holds: [1] });
  assert.equal(note(expectations, { bornMs: 1000, holds: [] }).closed.length, 1);
});
