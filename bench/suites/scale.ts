/**
 * The suite `scale`: whether a call costs more when there are many tunnels or many callers.
 *
 * @module
 */
import { startHub } from "../hub_under_test.ts";
import { Caller, loadCalls } from "../lean/load.ts";
import { Program } from "../program.ts";
import { figure, table } from "../table.ts";
import type { Suite } from "../suite.ts";

const SERVER = "bench";
const IN_FLIGHT = 100;
/** Tunnels besides the one that is called are idle. */
const TUNNELS = [1, 100, 1000];
/** Connections that share the calls in flight. */
const CALLERS = [1, 10, 100];

export const scale: Suite = async ({ seconds, log }) => {
  const figures: Record<string, number>[] = [];
  for (const tunnels of TUNNELS) {
    await using stack = new AsyncDisposableStack();
    const hub = stack.use(await startHub());
    const echo = await Program.start(
      "bench/echo_end.ts",
      [`${SERVER}=${hub.tunnelUri}`],
      { ready: /^echo ready /m },
    );
    stack.use(echo.program);
    if (tunnels > 1) {
      log(`opening ${tunnels} tunnels`);
      const idle = await Program.start(
        "bench/idle_tunnels.ts",
        [hub.tunnelUri, String(tunnels - 1)],
        { ready: /^tunnels ready /m },
      );
      stack.use(idle.program);
    }
    for (const callers of CALLERS) {
      log(`${tunnels} tunnels, ${callers} callers`);
      const target = { address: hub.callAddress, server: SERVER };
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
      figures.push({ tunnels, callers, callsPerS, p50Us, p99Us, cpuUs });
    }
  }
  const keys = ["tunnels", "callers", "callsPerS", "p50Us", "p99Us", "cpuUs"];
  return {
    figures,
    text: table([
      ["tunnels", "callers", "calls/s", "p50, µs", "p99, µs", "hub CPU, µs per call"],
      ...figures.map((row) => keys.map((key, i) => i < 2 ? String(row[key]) : figure(row[key]))),
    ]),
  };
};
