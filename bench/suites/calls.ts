/**
 * The suite `calls`: the same calls direct, through the hub, and through the `node:http2` relay,
 * in turns, so that all three meet the same machine.
 *
 * @module
 */
import { type RunningHub, startHub, startRelay } from "../hub_under_test.ts";
import { Program } from "../program.ts";
import type { Suite } from "../suite.ts";
import { figure, ratio, table } from "../table.ts";
import { type Figures, measureWays, ROWS, type Way } from "../ways.ts";

const SERVER = "bench";

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
    program,
  });
  const ways: Way[] = [
    { name: "direct", target: { address: match[1]! } },
    through("ghub", hub),
    through("node:http2 relay", relay),
  ];

  const figures = await measureWays(ways, { seconds, rounds, log });
  return { figures, text: print(figures.medians) };
};

function print(medians: Readonly<Record<string, Figures>>): string {
  const { direct, ghub, "node:http2 relay": relay } = medians;
  const rows = (Object.entries(ROWS("hub")) as [keyof Figures, string][]).map(([key, what]) => [
    what,
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
