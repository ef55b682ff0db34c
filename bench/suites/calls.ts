/**
 * The suite `calls`: the same calls direct, through the hub, and through the `node:http2` relay,
 * in turns, so that all three meet the same machine.
 *
 * @module
 */
import { type RunningHub, startHub, startRelay } from "../hub_under_test.ts";
import { Caller, loadCalls, loadStream, type Target } from "../lean/load.ts";
import { Program } from "../program.ts";
import { figure, median, table } from "../table.ts";
import type { Suite } from "../suite.ts";

const SERVER = "bench";
const IN_FLIGHT = 64;
/** Before the first round, so that every program has compiled what it runs. */
const WARM_UP_S = 0.5;

/** A way for calls, and the program in its middle. */
interface Way {
  readonly name: string;
  readonly target: Target;
  readonly middle: Program | undefined;
}

/** What is measured, with its unit; `better` says which of two figures is. */
const ROWS = {
  serialPerS: "calls/s, one at a time",
  serialP50Us: "  p50, µs",
  serialP99Us: "  p99, µs",
  serialCpuUs: "  CPU of the hub, µs per call",
  parallelPerS: `calls/s, ${IN_FLIGHT} in flight`,
  parallelP50Us: "  p50, µs",
  parallelP99Us: "  p99, µs",
  parallelCpuUs: "  CPU of the hub, µs per call",
  streamMbPerS: "server stream of 16 KiB messages, MB/s",
  streamCpuNsPerKib: "  CPU of the hub, ns per KiB",
} as const;

type Figures = Partial<Record<keyof typeof ROWS, number>>;

export const calls: Suite = async ({ seconds, rounds, log }) => {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startHub());
  const relay = stack.use(await startRelay());
  const { program, match } = await Program.start(
    "bench/echo_end.ts",
    [`${SERVER}=${hub.tunnelUri}`, `${SERVER}=${relay.tunnelUri}`],
    { ready: /^echo ready address=(\S+)/m },
  );
  stack.use(program);

  const through = (name: string, { callAddress, program }: RunningHub): Way => ({
    name,
    target: { address: callAddress, server: SERVER },
    middle: program,
  });
  const ways: Way[] = [
    { name: "direct", target: { address: match[1]! }, middle: undefined },
    through("ghub", hub),
    through("node:http2 relay", relay),
  ];

  for (const way of ways) await measure(way, WARM_UP_S);
  const runs = new Map<string, Figures[]>(ways.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(i + round) % ways.length]!; // No way is always the first.
      runs.get(way.name)!.push(await measure(way, seconds));
    }
  }
  const medians = Object.fromEntries([...runs].map(([name, all]) => [name, middle(all)]));
  return { figures: { runs: Object.fromEntries(runs), medians }, text: print(medians) };
};

async function measure({ target, middle }: Way, seconds: number): Promise<Figures> {
  const caller = await Caller.connect(target);
  try {
    const [serial, serialCpuUs] = await withCpu(
      middle,
      () => loadCalls([caller], { inFlight: 1, seconds }),
    );
    const [parallel, parallelCpuUs] = await withCpu(
      middle,
      () => loadCalls([caller], { inFlight: IN_FLIGHT, seconds }),
    );
    const [stream, streamCpuUs] = await withCpu(middle, () => loadStream(caller, { seconds }));
    return {
      serialPerS: serial.callsPerS,
      serialP50Us: serial.p50Us,
      serialP99Us: serial.p99Us,
      parallelPerS: parallel.callsPerS,
      parallelP50Us: parallel.p50Us,
      parallelP99Us: parallel.p99Us,
      streamMbPerS: stream.mbPerS,
      ...middle === undefined ? {} : {
        serialCpuUs: serialCpuUs / serial.calls,
        parallelCpuUs: parallelCpuUs / parallel.calls,
        streamCpuNsPerKib: streamCpuUs * 1000 / (stream.bytes / 1024),
      },
    };
  } finally {
    caller.close();
    await caller.peer.ended;
  }
}

/** What `run` gives, and the CPU time that a program used meanwhile. */
async function withCpu<T>(
  program: Program | undefined,
  run: () => Promise<T>,
): Promise<[result: T, cpuUs: number]> {
  const before = await program?.usage();
  const result = await run();
  const after = await program?.usage();
  return [result, (after?.cpuUs ?? 0) - (before?.cpuUs ?? 0)];
}

function middle(all: readonly Figures[]): Figures {
  const entries = (Object.keys(ROWS) as (keyof typeof ROWS)[]).flatMap((key) => {
    const values = all.flatMap((figures) => figures[key] ?? []);
    return values.length === 0 ? [] : [[key, median(values)] as const];
  });
  return Object.fromEntries(entries);
}

function print(medians: Readonly<Record<string, Figures>>): string {
  const { direct, ghub, "node:http2 relay": relay } = medians;
  const ratio = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? "–" : `${figure(a / b)}×`;
  const rows = (Object.keys(ROWS) as (keyof typeof ROWS)[]).map((key) => [
    ROWS[key],
    figure(direct?.[key]),
    figure(ghub?.[key]),
    ratio(ghub?.[key], direct?.[key]),
    figure(relay?.[key]),
    ratio(ghub?.[key], relay?.[key]),
  ]);
  return table([
    ["", "direct", "ghub", "ghub/direct", "node:http2 relay", "ghub/relay"],
    ...rows,
  ]);
}
