/**
 * The suite `server`: what the bridge costs a server. The same service on a port of its own and on
 * a tunnel, and an upstream that is exposed, which gserver only pumps bytes for.
 *
 * @module
 */
import { startHub } from "../hub_under_test.ts";
import { Program } from "../program.ts";
import type { Suite } from "../suite.ts";
import { figure, ratio, table } from "../table.ts";
import { type Figures, measureWays, ROWS, type Way } from "../ways.ts";

const NAME = "bench";

export const server: Suite = async ({ seconds, rounds, log }) => {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startHub());
  const upstream = await Program.start("bench/echo_end.ts", [], {
    ready: /^echo ready address=127\.0\.0\.1:(\d+)/m,
  });
  stack.use(upstream.program);
  const { program, match } = await Program.start(
    "bench/server_end.ts",
    [NAME, hub.tunnelUri, upstream.match[1]!],
    { ready: /^server ready address=(\S+)/m },
  );
  stack.use(program);
  const address = hub.callAddress;
  const ways: Way[] = [
    { name: "port", target: { address: match[1]! }, program },
    { name: "tunnel", target: { address, server: NAME }, program },
    { name: "exposed", target: { address, server: `${NAME}/plain` }, program },
  ];
  const figures = await measureWays(ways, { seconds, rounds, log });
  return { figures, text: print(figures.medians) };
};

function print({ port, tunnel, exposed }: Readonly<Record<string, Figures>>): string {
  const rows = (Object.entries(ROWS("server")) as [keyof Figures, string][])
    .map(([key, what]) => [
      what,
      figure(port?.[key]),
      figure(tunnel?.[key]),
      ratio(tunnel?.[key], port?.[key]),
      figure(exposed?.[key]),
    ]);
  return table([["", "own port", "tunnel", "tunnel/port", "exposed upstream"], ...rows]);
}
