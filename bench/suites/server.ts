/**
 * The suite `server`: what the bridge costs a server. The same service on a port of its own and on
 * a tunnel, and an upstream that is exposed, which gserver only pumps bytes for.
 *
 * @module
 */
import { BenchTls } from "../hub_tls.ts";
import { startHub } from "../hub_under_test.ts";
import { Program } from "../program.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";
import { figure, ratio, table } from "../table.ts";
import { type Figures, measureWays, ROWS, type Way } from "../ways.ts";

const NAME = "bench";

export async function server({ seconds, rounds, log }: SuiteOptions): Promise<SuiteResult> {
  await using stack = new AsyncDisposableStack();
  const tls = stack.use(await BenchTls.make());
  const hub = stack.use(await startHub());
  const secure = stack.use(await startHub({ args: tls.args("tunnel") }));
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
  const withTls = await Program.start(
    "bench/server_end.ts",
    [NAME, secure.tunnelUri, upstream.match[1]!, tls.caFile],
    { ready: /^server ready address=(\S+)/m },
  );
  stack.use(withTls.program);
  const address = hub.callAddress;
  const ways: Way[] = [
    { name: "port", target: { address: match[1]! }, program },
    { name: "tunnel", target: { address, server: NAME }, program },
    { name: "exposed", target: { address, server: `${NAME}/plain` }, program },
    {
      name: "tls",
      target: { address: secure.callAddress, server: NAME },
      program: withTls.program,
    },
    {
      name: "tlsExposed",
      target: { address: secure.callAddress, server: `${NAME}/plain` },
      program: withTls.program,
    },
  ];
  const figures = await measureWays(ways, { seconds, rounds, log });
  return { figures, text: print(figures.medians) };
}

function print(
  { port, tunnel, exposed, tls, tlsExposed }: Readonly<Record<string, Figures>>,
): string {
  const rows = (Object.entries(ROWS("server")) as [keyof Figures, string][])
    .map(([key, what]) => [
      what,
      figure(port?.[key]),
      figure(tunnel?.[key]),
      ratio(tunnel?.[key], port?.[key]),
      figure(tls?.[key]),
      ratio(tls?.[key], tunnel?.[key]),
      figure(exposed?.[key]),
      figure(tlsExposed?.[key]),
      ratio(tlsExposed?.[key], exposed?.[key]),
    ]);
  return table([
    [
      ...["", "own port", "tunnel", "tunnel/port", "TLS tunnel", "of plain"],
      ...["exposed upstream", "with TLS", "of plain"],
    ],
    ...rows,
  ]);
}
