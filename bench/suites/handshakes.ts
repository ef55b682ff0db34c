/**
 * The suite `handshakes`: how fast a hub takes its servers back after it was restarted, without TLS and
 * with it. The limit on tunnels per second is out of the way.
 *
 * @module
 */
import { BenchTls, type Setup, SETUP_NAMES } from "../hub_tls.ts";
import { startHub } from "../hub_under_test.ts";
import { Program } from "../program.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";
import { figure, table } from "../table.ts";

const TUNNELS = 2_000;
/** More than any machine opens. */
const PER_S = 10_000;
/** A busy machine opens 20 tunnels with TLS a second. */
const READY_WITHIN_MS = 300_000;
/** What differs for a tunnel: the call port has no part in it. */
const SETUPS = ["plain", "tunnel", "asking"] as const satisfies Setup[];

export async function handshakes({ size, log }: SuiteOptions): Promise<SuiteResult> {
  await using tls = await BenchTls.make();
  const count = Math.ceil(TUNNELS * size);
  const figures: Record<string, Record<string, number>> = {};
  for (const setup of SETUPS) {
    log(`opening ${count} tunnels, ${SETUP_NAMES[setup]}`);
    await using hub = await startHub({
      args: ["--max-handshakes-per-second", String(PER_S), ...tls.args(setup)],
    });
    const before = await hub.program.usage();
    const { program, match } = await Program.start(
      "bench/idle_tunnels.ts",
      [hub.tunnelUri, String(count)],
      {
        ready: /^tunnels ready count=\d+ seconds=(\S+)/m,
        flags: tls.flags,
        readyWithinMs: READY_WITHIN_MS,
      },
    );
    await using _tunnels = program;
    const after = await hub.program.usage();
    figures[setup] = {
      tunnelsPerS: count / Number(match[1]),
      cpuUs: (after.cpuUs - before.cpuUs) / count,
    };
  }
  const rows = Object.entries(figures).map(([setup, { tunnelsPerS, cpuUs }]) => [
    SETUP_NAMES[setup as Setup],
    figure(tunnelsPerS),
    figure(cpuUs),
  ]);
  return {
    figures,
    text: table([[`${count} tunnels`, "opened per s", "hub CPU, µs per tunnel"], ...rows]),
  };
}
