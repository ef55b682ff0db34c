/**
 * The suite `workers`: what a call costs a hub of two workers, compared with a hub of one loop, on the
 * same machine and in turns, plain and with TLS; and how evenly the kernel spreads connections.
 *
 *     caller ─▶ worker that has the tunnel                        "same"
 *     caller ─▶ worker ──message port──▶ worker that has it       "other"
 *
 * @module
 */
import { BenchTls, type Setup } from "../hub_tls.ts";
import { type RunningHub, startHub } from "../hub_under_test.ts";
import { Caller, makeCalls } from "../lean/load.ts";
import { Program } from "../program.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";
import { figure, ratio, table } from "../table.ts";
import { type Figures, measureWays, ROWS, type Way } from "../ways.ts";

const SERVER = "bench";
const KINDS = ["plain", "both"] as const satisfies readonly Setup[];
/** Processor time of all workers for a call, of that of one loop. */
const MAX_CPU_RATIO = 2.2;
/** How much more or less than an even share a worker may have of many connections. */
const MAX_SPREAD = 0.2;
const CONNECTIONS = 1_000;
/** Callers of which at least one comes to each worker, in 31 of 32 tries. */
const CALLERS = 6;

const KEYS = Object.entries(ROWS("hub")) as [keyof Figures, string][];

export async function workers({ seconds, rounds, log }: SuiteOptions): Promise<SuiteResult> {
  await using stack = new AsyncDisposableStack();
  const tls = stack.use(await BenchTls.make());
  const hubs: { readonly kind: string; readonly count: number; readonly hub: RunningHub }[] = [];
  for (const kind of KINDS) {
    for (const count of [1, 2]) {
      const own = ["--workers", String(count), "--metrics-listen", "127.0.0.1:0"];
      const hub = stack.use(await startHub({ args: [...tls.args(kind), ...own] }));
      hubs.push({ kind, count, hub });
    }
  }
  const echo = await Program.start(
    "bench/echo_end.ts",
    hubs.map(({ hub }) => `${SERVER}=${hub.tunnelUri}`),
    { ready: /^echo ready address=(\S+)/m, flags: tls.flags },
  );
  stack.use(echo.program);
  const ways: Way[] = [];
  for (const { kind, count, hub } of hubs) {
    const { callAddress: address, program } = hub;
    const target = { address, server: SERVER, ca: kind === "plain" ? undefined : tls.ca };
    if (count === 1) {
      ways.push({ name: `${kind} one`, target, program });
      continue;
    }
    const { same, other } = await connectToBoth(() => Caller.connect(target), hub);
    for (const caller of [same, other]) stack.defer(() => caller.close());
    ways.push({ name: `${kind} same`, target: same, program });
    ways.push({ name: `${kind} other`, target: other, program });
  }
  const figures = await measureWays(ways, { seconds, rounds, log });
  const { medians } = figures;
  const spread = await spreadOf(hubs.find(({ count }) => count === 2)!.hub);
  const goals = [
    ...KINDS.map((kind) => {
      const of = (way: string) => medians[`${kind} ${way}`]?.parallelCpuUs ?? NaN;
      return goal(`CPU of a call to the other worker, of one loop's (${NAMES[kind]})`, {
        measured: of("other") / of("one"),
        most: MAX_CPU_RATIO,
      });
    }),
    goal(`${CONNECTIONS} connections: farthest from an even share`, {
      measured: spread,
      most: MAX_SPREAD,
    }),
  ];
  return {
    figures: { ...figures, spread },
    text: [
      ...KINDS.map((kind) => wayTable(kind, medians)),
      table([["goal", "at most", "measured", ""], ...goals.map(({ row }) => row)]),
    ].join("\n\n"),
    missed: goals.filter(({ isMet }) => !isMet).length,
  };
}

const NAMES = { plain: "plain", both: "TLS" } as const;

function wayTable(kind: typeof KINDS[number], medians: Readonly<Record<string, Figures>>): string {
  const [one = {}, same = {}, other = {}] = ["one", "same", "other"].map((way) =>
    medians[`${kind} ${way}`]
  );
  const rows = KEYS.map(([key, what]) => [
    what,
    figure(one[key]),
    figure(same[key]),
    ratio(same[key], one[key]),
    figure(other[key]),
    ratio(other[key], one[key]),
  ]);
  return table([
    [NAMES[kind], "one loop", "same worker", "of one", "other worker", "of one"],
    ...rows,
  ]);
}

function goal(what: string, { measured, most }: { measured: number; most: number }) {
  const isMet = measured <= most;
  return { isMet, row: [what, String(most), measured.toFixed(2), isMet ? "met" : "MISSED"] };
}

/** A connection to the worker that has the tunnel, and one to the other worker. */
async function connectToBoth(
  connect: () => Promise<Caller>,
  hub: RunningHub,
): Promise<{ same: Caller; other: Caller }> {
  for (;;) {
    const before = await forwarded(hub);
    const callers = await Promise.all(Array.from({ length: CALLERS }, connect));
    // Caller n makes 2ⁿ calls: the sum of those that were forwarded tells whose they are.
    for (const [n, caller] of callers.entries()) await makeCalls(caller, 2 ** n);
    // Workers tell what they have forwarded once a second.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const crossed = await forwarded(hub) - before;
    const others = callers.filter((_, n) => crossed & 2 ** n);
    const sames = callers.filter((_, n) => !(crossed & 2 ** n));
    const [[same], [other]] = [sames, others];
    const isFound = same !== undefined && other !== undefined;
    for (const caller of callers) {
      if (!isFound || (caller !== same && caller !== other)) caller.close();
    }
    if (isFound) return { same, other };
  }
}

async function forwarded(hub: RunningHub): Promise<number> {
  const page = await metricsOf(hub);
  return Number(/^ghub_forwarded_calls_total\{outcome="answered"\} (\d+)$/m.exec(page)?.[1]);
}

/** How far from an even share of many connections the farthest worker is. */
async function spreadOf(hub: RunningHub): Promise<number> {
  const perWorker = async () => {
    const page = await metricsOf(hub);
    const found = page.matchAll(/^ghub_worker_connections\{worker="\d+"\} (\d+)$/gm);
    return [...found].map(([, count]) => Number(count));
  };
  const before = await perWorker();
  const callers: Caller[] = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    callers.push(await Caller.connect({ address: hub.callAddress, server: SERVER }));
  }
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const counts = (await perWorker()).map((count, at) => count - before[at]!);
    if (counts.reduce((a, b) => a + b) < CONNECTIONS) continue;
    for (const caller of callers) caller.close();
    const even = CONNECTIONS / counts.length;
    return Math.max(...counts.map((count) => Math.abs(count - even))) / even;
  }
}

async function metricsOf({ metricsAddress }: RunningHub): Promise<string> {
  return await (await fetch(`http://${metricsAddress}/metrics`)).text();
}
