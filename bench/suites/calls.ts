/**
 * The suite `calls`: the same calls direct, through the hub, with TLS too, and through the
 * `node:http2` relay, in turns, so that all meet the same machine.
 *
 * @module
 */
import { BenchTls, type Setup, SETUP_NAMES, SETUPS } from "../hub_tls.ts";
import { type RunningHub, startHub, startRelay } from "../hub_under_test.ts";
import { Program } from "../program.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";
import { figure, ratio, table } from "../table.ts";
import { type Figures, measureWays, ROWS, type Way } from "../ways.ts";

const SERVER = "bench";

export async function calls({ seconds, rounds, log }: SuiteOptions): Promise<SuiteResult> {
  await using stack = new AsyncDisposableStack();
  const tls = stack.use(await BenchTls.make());
  const relay = stack.use(await startRelay());
  const hubs: [Setup, RunningHub][] = [];
  for (const setup of SETUPS) {
    hubs.push([setup, stack.use(await startHub({ args: tls.args(setup) }))]);
  }
  const { program, match } = await Program.start(
    "bench/echo_end.ts",
    [...hubs.map(([, hub]) => hub), relay].map(({ tunnelUri }) => `${SERVER}=${tunnelUri}`),
    { ready: /^echo ready address=(\S+)/m, flags: tls.flags },
  );
  stack.use(program);

  const through = (name: string, { callAddress, program }: RunningHub, ca?: string): Way => ({
    name,
    target: { address: callAddress, server: SERVER, ca },
    program,
  });
  const ways: Way[] = [
    { name: "direct", target: { address: match[1]! } },
    through("relay", relay),
    ...hubs.map(([setup, hub]) =>
      through(setup, hub, setup === "both" || setup === "asking" ? tls.ca : undefined)
    ),
  ];

  const figures = await measureWays(ways, { seconds, rounds, log });
  return { figures, text: `${print(figures.medians)}\n\n${printTls(figures.medians)}` };
}

type Medians = Readonly<Record<string, Figures>>;

const KEYS = Object.entries(ROWS("hub")) as [keyof Figures, string][];

function print({ direct, plain, relay }: Medians): string {
  const rows = KEYS.map(([key, what]) => [
    what,
    figure(direct?.[key]),
    figure(plain?.[key]),
    ratio(plain?.[key], direct?.[key]),
    figure(relay?.[key]),
    ratio(plain?.[key], relay?.[key]),
  ]);
  return table([
    ["", "direct", "ghub", "ghub/direct", "node:http2 relay", "ghub/relay"],
    ...rows,
  ]);
}

function printTls(medians: Medians): string {
  const secure = SETUPS.filter((setup) => setup !== "plain");
  const rows = KEYS.map(([key, what]) => [
    what,
    figure(medians["plain"]?.[key]),
    ...secure.flatMap((setup) => [
      figure(medians[setup]?.[key]),
      ratio(medians[setup]?.[key], medians["plain"]?.[key]),
    ]),
  ]);
  const heads = secure.flatMap((setup) => [SETUP_NAMES[setup], "of plain"]);
  return table([["ghub", SETUP_NAMES.plain, ...heads], ...rows]);
}
