/**
 * The suite `cluster`: what a call costs that one hub forwards to another one, compared with a call at
 * the hub that has the server, on the same machine and in turns; and what is lost when one of two hubs
 * dies or drains, compared with one hub alone.
 *
 * @module
 */
import { HUB_V8_FLAGS } from "../../scripts/build/programs.ts";
import { Program } from "../program.ts";
import type { Suite } from "../suite.ts";
import { figure, ratio, table } from "../table.ts";
import { type FaultFigures, measureHubFault } from "./cluster/hub_faults.ts";
import { type Figures, measureWays, ROWS, type Way } from "../ways.ts";

const SERVER = "bench";
/** Processor time of both hubs for a forwarded call, of that for a local one. */
const MAX_CPU_RATIO = 2.2;
/** What a single call may take longer. */
const MAX_P50_MORE_US = 60;

const KEYS = Object.entries(ROWS("hubs")) as [keyof Figures, string][];

export const cluster: Suite = async ({ seconds, rounds, log }) => {
  await using stack = new AsyncDisposableStack();
  const second = stack.use(await start(["second"]));
  const first = stack.use(await start(["first", SERVER, second.peer]));
  const echo = await Program.start("bench/echo_end.ts", [`${SERVER}=${second.tunnel}`], {
    ready: /^echo ready address=(\S+)/m,
  });
  stack.use(echo.program);
  const ways: Way[] = [
    { name: "local", target: { address: second.call, server: SERVER }, program: second },
    {
      name: "forwarded",
      target: { address: first.call, server: SERVER },
      program: {
        // Both hubs work for it.
        usage: async () => {
          const [a, b] = [await first.usage(), await second.usage()];
          return { ...a, cpuUs: a.cpuUs + b.cpuUs };
        },
      },
    },
  ];
  const figures = await measureWays(ways, { seconds, rounds, log });
  const { local = {}, forwarded = {} } = figures.medians;
  const rows = KEYS.map(([key, what]) => [
    what,
    figure(local[key]),
    figure(forwarded[key]),
    ratio(forwarded[key], local[key]),
  ]);
  const cpuRatio = (forwarded.parallelCpuUs ?? NaN) / (local.parallelCpuUs ?? NaN);
  const moreUs = (forwarded.serialP50Us ?? NaN) - (local.serialP50Us ?? NaN);
  const faults = await measureFaults(log);
  const [killed, drained] = [faults.kill[1], faults.drain[1]];
  const goals = [
    goal(
      "one of two hubs killed: calls lost that were not on their way through it",
      killed.otherFailures,
      0,
    ),
    goal("… outcomes that the servers contradict", killed.untrue, 0),
    goal("one of two hubs drained: calls lost", drained.lost + drained.otherFailures, 0),
    goal("CPU of both hubs, 64 in flight, of a local call", cpuRatio, MAX_CPU_RATIO),
    goal("p50 more for a single call, µs", moreUs, MAX_P50_MORE_US),
  ];
  return {
    figures: { ...figures, cpuRatio, moreUs, faults },
    text: [
      faultTable(faults),
      table([["", "local", "forwarded", "forwarded/local"], ...rows]),
      table([["goal", "at most", "measured", ""], ...goals.map(({ row }) => row)]),
    ].join("\n\n"),
    missed: goals.filter(({ isMet }) => !isMet).length,
  };
};

/** Of one hub alone, and of two. */
type Faults = Readonly<Record<"kill" | "drain", readonly [FaultFigures, FaultFigures]>>;

async function measureFaults(log: (text: string) => void): Promise<Faults> {
  const measure = async (fault: "kill" | "drain") => {
    log(`One hub, then one of two: ${fault}`);
    return [
      await measureHubFault(fault, { hubs: 1 }),
      await measureHubFault(fault, { hubs: 2 }),
    ] as const;
  };
  return { kill: await measure("kill"), drain: await measure("drain") };
}

function faultTable({ kill, drain }: Faults): string {
  const row = (what: string, value: (figures: FaultFigures) => number) => [
    what,
    ...[...kill, ...drain].map((figures) => figure(value(figures))),
  ];
  return table([
    ["a hub goes under load, 50 servers", "killed: 1 hub", "2 hubs", "drained: 1 hub", "2 hubs"],
    row("calls", ({ calls }) => calls),
    row("lost on their way through it", ({ lost }) => lost),
    row("others that failed", ({ otherFailures }) => otherFailures),
    row("outcomes that the servers contradict", ({ untrue }) => untrue),
    row("all servers reachable after, ms", ({ reachableMs }) => reachableMs),
  ]);
}

function goal(what: string, measured: number, most: number) {
  const isMet = measured <= most;
  return { isMet, row: [what, String(most), measured.toFixed(1), isMet ? "met" : "MISSED"] };
}

/** A hub with a peer port, and where it is. */
async function start(args: readonly string[]) {
  const { program, match } = await Program.start("bench/linked_hub.ts", args, {
    ready: /^hub ready tunnel=(\S+) call=(\S+) peer=(\S+)$/m,
    flags: [HUB_V8_FLAGS],
  });
  const [, tunnel = "", call = "", peer = ""] = match;
  return Object.assign(program, { tunnel, call, peer });
}
