/**
 * The same calls over different ways, in turns, so that all meet the same machine.
 *
 * @module
 */
import { Caller, loadCalls, loadStream, type Target } from "./lean/load.ts";
import type { Program } from "./program.ts";
import { median } from "./table.ts";

const IN_FLIGHT = 64;
/**
 * Turns before the first round, so that every program has compiled what it runs, as a hub has that
 * runs for weeks: until the third turn the slowest percent of calls, one at a time, met V8's
 * compiler, which needs a core of its own.
 */
const WARM_UPS = 3;
const WARM_UP_S = 2;

/** A way for calls. */
export interface Way {
  readonly name: string;
  /** Where calls go, on a new connection for each measurement; or a connection that stands. */
  readonly target: Target | Caller;
  /** Whose CPU time is measured. */
  readonly program?: Pick<Program, "usage">;
}

type Key =
  | "serialPerS"
  | "serialP50Us"
  | "serialP99Us"
  | "serialCpuUs"
  | "parallelPerS"
  | "parallelP50Us"
  | "parallelP99Us"
  | "parallelCpuUs"
  | "streamMbPerS"
  | "streamCpuNsPerKib";

/** What is measured, with its unit. `of` names the program. */
export const ROWS = (of: string): Readonly<Record<Key, string>> => ({
  serialPerS: "calls/s, one at a time",
  serialP50Us: "  p50, µs",
  serialP99Us: "  p99, µs",
  serialCpuUs: `  CPU of the ${of}, µs per call`,
  parallelPerS: `calls/s, ${IN_FLIGHT} in flight`,
  parallelP50Us: "  p50, µs",
  parallelP99Us: "  p99, µs",
  parallelCpuUs: `  CPU of the ${of}, µs per call`,
  streamMbPerS: "server stream of 16 KiB messages, MB/s",
  streamCpuNsPerKib: `  CPU of the ${of}, ns per KiB`,
});

export type Figures = Partial<Record<Key, number>>;

/** Figures of each way, by its name: of each round, and their medians. */
export interface Measured {
  readonly runs: Readonly<Record<string, readonly Figures[]>>;
  readonly medians: Readonly<Record<string, Figures>>;
}

export async function measureWays(
  ways: readonly Way[],
  { seconds, rounds, log }: {
    readonly seconds: number;
    readonly rounds: number;
    readonly log: (text: string) => void;
  },
): Promise<Measured> {
  for (let turn = 0; turn < WARM_UPS; turn++) {
    for (const way of ways) await measure(way, WARM_UP_S);
  }
  const runs = new Map<string, Figures[]>(ways.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(i + round) % ways.length]!; // No way is always the first.
      runs.get(way.name)!.push(await measure(way, seconds));
    }
  }
  const medians = Object.fromEntries([...runs].map(([name, all]) => [name, middle(all)]));
  return { runs: Object.fromEntries(runs), medians };
}

async function measure({ target, program }: Way, seconds: number): Promise<Figures> {
  const isOwn = !(target instanceof Caller);
  const caller = isOwn ? await Caller.connect(target) : target;
  try {
    const [serial, serialCpuUs] = await withCpu(
      program,
      () => loadCalls([caller], { inFlight: 1, seconds }),
    );
    const [parallel, parallelCpuUs] = await withCpu(
      program,
      () => loadCalls([caller], { inFlight: IN_FLIGHT, seconds }),
    );
    const [stream, streamCpuUs] = await withCpu(program, () => loadStream(caller, { seconds }));
    return {
      serialPerS: serial.callsPerS,
      serialP50Us: serial.p50Us,
      serialP99Us: serial.p99Us,
      parallelPerS: parallel.callsPerS,
      parallelP50Us: parallel.p50Us,
      parallelP99Us: parallel.p99Us,
      streamMbPerS: stream.mbPerS,
      ...program === undefined ? {} : {
        serialCpuUs: serialCpuUs / serial.calls,
        parallelCpuUs: parallelCpuUs / parallel.calls,
        streamCpuNsPerKib: streamCpuUs * 1000 / (stream.bytes / 1024),
      },
    };
  } finally {
    if (isOwn) {
      caller.close();
      await caller.peer.ended;
    }
  }
}

/** What `run` gives, and the CPU time that a program used meanwhile. */
async function withCpu<T>(
  program: Pick<Program, "usage"> | undefined,
  run: () => Promise<T>,
): Promise<[result: T, cpuUs: number]> {
  const before = await program?.usage();
  const result = await run();
  const after = await program?.usage();
  return [result, (after?.cpuUs ?? 0) - (before?.cpuUs ?? 0)];
}

function middle(all: readonly Figures[]): Figures {
  const entries = (Object.keys(ROWS("")) as Key[]).flatMap((key) => {
    const values = all.flatMap((figures) => figures[key] ?? []);
    return values.length === 0 ? [] : [[key, median(values)] as const];
  });
  return Object.fromEntries(entries);
}
