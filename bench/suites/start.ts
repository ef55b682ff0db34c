/**
 * The suite `start`: what whole processes cost, from their start to their end. Shells start gclient
 * again and again, so processor time counts, user and system together; the medians are shown.
 *
 * With `--programs DIR` it measures the executables there. Others are measured next to it, in turns: the
 * same unary call by a script of grpc-js, on Node and on Deno, by grpcurl where it is installed, by a
 * program of grpc-go, of which grpcurl is made, where Debian's packages of Go are, and Deno that does
 * nothing, below which no program of ours can be.
 *
 * @module
 */
import { bundle } from "../../scripts/build/bundle.ts";
import { type RunningHub, startHub } from "../hub_under_test.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";
import { figure, median, ratio, table } from "../table.ts";
import { isThere, oursOf, type Started, timeOf } from "../whole_process.ts";

/** Each is started this often in a round. */
const STARTS = 15;
/** Executables unpack, and Deno fills its cache. */
const WARM_STARTS = 2;

/** What others are compared with: on a slow machine it is slow as well. */
const NOTHING = "Deno, nothing";
/**
 * Goals in ms of a quiet machine, on which Deno that does nothing takes {@linkcode GOAL_NOTHING_MS}; on
 * another one the same multiples count.
 */
const GOALS_MS: Readonly<Record<string, number>> = {
  "gclient --version": 30,
  "gclient, a unary call": 60,
};
const GOAL_NOTHING_MS = 14;

const ROOT = new URL("../..", import.meta.url).pathname;
const DENO_FLAGS = ["run", "--quiet", "--no-config", "--no-lock", "--cached-only", "-A"];

export async function start(options: SuiteOptions): Promise<SuiteResult> {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startHub());
  const dir = await Deno.makeTempDir({ prefix: "ghub-bench-start-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const rows = await rowsFor(hub, dir);
  const times = new Map<string, number[]>(rows.map(({ what }) => [what, []]));
  for (const row of rows) for (let i = 0; i < WARM_STARTS; i++) await timeOf(row);
  for (let round = 0; round < options.rounds; round++) await measure(rows, times, options);
  const figures = Object.fromEntries([...times].map(([what, all]) => [what, median(all)]));
  const nothing = figures[NOTHING]!;
  const lines = Object.entries(figures).map(([what, ms]) => {
    const goal = GOALS_MS[what];
    return [
      ...[what, figure(ms), figure(ms - nothing), ratio(ms, nothing)],
      goal === undefined ? "" : `${goal} ms, ${ratio(goal, GOAL_NOTHING_MS)}`,
    ];
  });
  const starts = STARTS * options.rounds;
  return {
    figures,
    text: `Processor time of whole processes, in ms: median of ${starts} starts\n\n` +
      table([["", "ms", `above "${NOTHING}"`, "times it", "goal"], ...lines]),
  };
}

async function measure(
  rows: readonly Started[],
  times: ReadonlyMap<string, number[]>,
  { log, signal }: SuiteOptions,
): Promise<void> {
  for (let i = 0; i < STARTS; i++) {
    signal.throwIfAborted();
    for (const row of rows) times.get(row.what)!.push((await timeOf(row)).cpuMs);
  }
  log(`${STARTS} starts of each`);
}

/** Builds the call by grpc-go, from Debian's packages alone. Without them nothing is there to start. */
async function buildGo(program: string): Promise<void> {
  await new Deno.Command("sh", {
    args: ["-c", 'go build -o "$0" "$1"', program, `${ROOT}bench/start/grpc_go_call.go`],
    env: { GO111MODULE: "off", GOPATH: "/usr/share/gocode", GOFLAGS: "", GOPROXY: "off" },
    stdout: "null",
    stderr: "null",
  }).output();
}

async function rowsFor({ callAddress }: RunningHub, dir: string): Promise<Started[]> {
  const script = `${dir}/call.mjs`;
  const entry = { name: "call", entry: "bench/start/grpc_js_call.ts", flags: [] };
  await Deno.writeFile(script, await bundle(entry, ROOT));
  const goCall = `${dir}/go_call`;
  await buildGo(goCall);
  const nothing = `${dir}/nothing.js`;
  await Deno.writeTextFile(nothing, 'console.log("nothing");\n');
  const deno = Deno.execPath();
  const call = ["hub", "servers", "-o", "json", "-s", callAddress];
  const all = [
    await oursOf("gclient --version", "client/main.ts", "--version"),
    await oursOf("gclient --help", "client/main.ts", "--help"),
    await oursOf("gclient, a unary call", "client/main.ts", ...call),
    await oursOf("ghub --version", "hub/main.ts", "--version"),
    await oursOf("gserver --version", "server/main.ts", "--version"),
    { what: "grpcurl, a unary call", command: "grpcurl", args: grpcurlArgs(callAddress) },
    { what: "Go, grpc-go, a unary call", command: goCall, args: [callAddress] },
    { what: "Node, grpc-js, a unary call", command: "node", args: [script, callAddress] },
    {
      what: "Deno, grpc-js, a unary call",
      command: deno,
      args: [...DENO_FLAGS, script, callAddress],
    },
    { what: NOTHING, command: deno, args: [...DENO_FLAGS, nothing] },
  ];
  const there = await Promise.all(all.map(({ command }) => isThere(command)));
  return all.filter((_, i) => there[i]);
}

function grpcurlArgs(callAddress: string): string[] {
  return ["-plaintext", callAddress, "grpc.health.v1.Health/Check"];
}
