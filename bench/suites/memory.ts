/**
 * The suite `memory`: what an idle tunnel costs the hub.
 *
 * @module
 */
import { BenchTls } from "../hub_tls.ts";
import { type RunningHub, startHub, startRelay } from "../hub_under_test.ts";
import { Program } from "../program.ts";
import { figure, table } from "../table.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";

const TUNNELS = 500;
/** Memory counts as settled when it grew less than this between two looks. */
const STEADY_BYTES = 256 * 1024;
const LOOK_EVERY_MS = 500;
const MAX_LOOKS = 20;

interface Figures {
  readonly tunnels: number;
  readonly rssBeforeBytes: number;
  readonly rssAfterBytes: number;
  readonly bytesPerTunnel: number;
}

export async function memory({ log }: SuiteOptions): Promise<SuiteResult> {
  log(`opening ${TUNNELS} idle tunnels`);
  await using tls = await BenchTls.make();
  const ghub = await measure(startHub);
  const withTls = await measure(() => startHub({ args: tls.args("tunnel") }), tls.flags);
  const asking = await measure(() => startHub({ args: tls.args("asking") }), tls.flags);
  const relay = await measure(startRelay);
  const row = (name: string, { rssBeforeBytes, rssAfterBytes, bytesPerTunnel }: Figures) => [
    name,
    figure(rssBeforeBytes / 2 ** 20),
    figure(rssAfterBytes / 2 ** 20),
    figure(bytesPerTunnel / 1024),
  ];
  return {
    figures: { ghub, withTls, asking, relay },
    text: table([
      [`${TUNNELS} idle tunnels`, "RSS before, MiB", "after, MiB", "KiB per tunnel"],
      row("ghub", ghub),
      row("ghub, TLS tunnel", withTls),
      row("ghub, TLS, asking for certificates", asking),
      row("node:http2 relay", relay),
    ]),
  };
}

async function measure(
  start: () => Promise<RunningHub>,
  flags: readonly string[] = [],
): Promise<Figures> {
  await using hub = await start();
  // The first few pay for what all share.
  const first = await openTunnels(hub, 5, flags);
  await first[Symbol.asyncDispose]();
  const rssBeforeBytes = await steadyRss(hub.program);
  await using _tunnels = await openTunnels(hub, TUNNELS, flags);
  const rssAfterBytes = await steadyRss(hub.program);
  const bytesPerTunnel = (rssAfterBytes - rssBeforeBytes) / TUNNELS;
  return { tunnels: TUNNELS, rssBeforeBytes, rssAfterBytes, bytesPerTunnel };
}

async function openTunnels(
  { tunnelUri }: RunningHub,
  count: number,
  flags: readonly string[],
): Promise<Program> {
  const { program } = await Program.start(
    "bench/idle_tunnels.ts",
    [tunnelUri, String(count)],
    { ready: /^tunnels ready /m, flags },
  );
  return program;
}

async function steadyRss(program: Program): Promise<number> {
  let { rssBytes } = await program.usage();
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const now = (await program.usage()).rssBytes;
    if (Math.abs(now - rssBytes) < STEADY_BYTES) return now;
    rssBytes = now;
  }
  return rssBytes;
}
