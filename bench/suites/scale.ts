/**
 * The suite `scale`: whether a call costs more when there are many tunnels or many callers.
 *
 * @module
 */
import { BenchTls, SETUP_NAMES } from "../hub_tls.ts";
import { startHub } from "../hub_under_test.ts";
import { Caller, loadCalls } from "../lean/load.ts";
import { Program } from "../program.ts";
import { figure, table } from "../table.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";

const SERVER = "bench";
const IN_FLIGHT = 100;
/** Tunnels besides the one that is called are idle. */
const SCALES = [
  ...[1, 100, 1000].map((tunnels) => ["plain", tunnels] as const),
  ...[1, 1000].flatMap((tunnels) => [["tunnel", tunnels], ["both", tunnels]] as const),
];
/** Connections that share the calls in flight. */
const CALLERS = [1, 10, 100];

interface Row {
  readonly tls: string;
  readonly tunnels: number;
  readonly callers: number;
  readonly callsPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
}

export async function scale({ seconds, log }: SuiteOptions): Promise<SuiteResult> {
  await using tls = await BenchTls.make();
  const figures: Row[] = [];
  for (const [setup, tunnels] of SCALES) {
    await using stack = new AsyncDisposableStack();
    const hub = stack.use(await startHub({ args: tls.args(setup) }));
    const echo = await Program.start(
      "bench/echo_end.ts",
      [`${SERVER}=${hub.tunnelUri}`],
      { ready: /^echo ready /m, flags: tls.flags },
    );
    stack.use(echo.program);
    if (tunnels > 1) {
      log(`opening ${tunnels} tunnels`);
      const idle = await Program.start(
        "bench/idle_tunnels.ts",
        [hub.tunnelUri, String(tunnels - 1)],
        { ready: /^tunnels ready /m, flags: tls.flags },
      );
      stack.use(idle.program);
    }
    for (const callers of CALLERS) {
      log(`${SETUP_NAMES[setup]}, ${tunnels} tunnels, ${callers} callers`);
      const ca = setup === "both" ? tls.ca : undefined;
      const target = { address: hub.callAddress, server: SERVER, ca };
      const all = await Promise.all(
        Array.from({ length: callers }, () => Caller.connect(target)),
      );
      await loadCalls(all, { inFlight: IN_FLIGHT, seconds: seconds / 4 });
      const before = await hub.program.usage();
      const { calls, callsPerS, p50Us, p99Us } = await loadCalls(all, {
        inFlight: IN_FLIGHT,
        seconds,
      });
      const after = await hub.program.usage();
      for (const caller of all) caller.close();
      await Promise.all(all.map((caller) => caller.peer.ended));
      const cpuUs = (after.cpuUs - before.cpuUs) / calls;
      figures.push({ tls: SETUP_NAMES[setup], tunnels, callers, callsPerS, p50Us, p99Us, cpuUs });
    }
  }
  const heads: Record<keyof Row, string> = {
    tls: "",
    tunnels: "tunnels",
    callers: "callers",
    callsPerS: "calls/s",
    p50Us: "p50, µs",
    p99Us: "p99, µs",
    cpuUs: "hub CPU, µs per call",
  };
  const rows = figures.map(({ tls, tunnels, callers, callsPerS, p50Us, p99Us, cpuUs }) => [
    ...[tls, String(tunnels), String(callers)],
    ...[callsPerS, p50Us, p99Us, cpuUs].map((value) => figure(value)),
  ]);
  return { figures, text: table([Object.values(heads), ...rows]) };
}
