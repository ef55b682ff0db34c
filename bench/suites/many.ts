/**
 * The suite `many`: gclient with many servers, as whole processes.
 *
 * - A list and a completion of 3 000 servers, next to the bare call of the list by grpc-js. Goal: a second.
 *   A completion that gives nothing, because its own second was over, is one that took longer.
 * - One command for 200 servers, of which ten refuse and one never answers. Goal: less than 1.5 times what
 *   that one takes, with the right exit code and summary, and never more calls at once than `--parallel`.
 *
 * `--size` makes both smaller.
 *
 * @module
 */
import { bundle } from "../../scripts/build/bundle.ts";
import { startServer } from "../../server/server.ts";
import { toService } from "../../server/serving/services.ts";
import { delay } from "../../shared/async/delay.ts";
import { untilAborted } from "../../shared/async/until_aborted.ts";
import { unary } from "../../shared/grpc/handlers.ts";
import { RpcError } from "../../shared/grpc/rpc_error.ts";
import { Status } from "../../shared/grpc/status.ts";
import { startHub } from "../hub_under_test.ts";
import { Program } from "../program.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";
import { figure, median, ratio, table } from "../table.ts";
import { isThere, oursOf, type Started, timeOf } from "../whole_process.ts";

const LISTED = 3_000;
const LISTED_GOAL_MS = 1_000;
/** Each is started this often in a round. */
const STARTS = 5;
const CALLED = 200;
const PARALLEL = 10;
const PER_TARGET_MS = 10_000;
/** What a server that works takes for its answer. */
const WORK_MS = 100;
const CALLED_GOAL = 1.5;
const MAX_FILES = 16_384;

const ROOT = new URL("../..", import.meta.url).pathname;

export async function many(options: SuiteOptions): Promise<SuiteResult> {
  const listed = await measureLists(options);
  const called = await measureCommand(options);
  return {
    figures: { listed: listed.figures, called: called.figures },
    text: `${listed.text}\n\n${called.text}`,
    missed: listed.missed + called.missed,
  };
}

async function measureLists({ rounds, size, log, signal }: SuiteOptions) {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startHub({ maxFiles: MAX_FILES }));
  const count = Math.ceil(LISTED * size);
  log(`opening ${count} tunnels`);
  const tunnels = await Program.start("bench/idle_tunnels.ts", [hub.tunnelUri, String(count)], {
    ready: /^tunnels ready /m,
    maxFiles: MAX_FILES,
    readyWithinMs: 10 * 60_000,
  });
  stack.use(tunnels.program);
  const dir = await Deno.makeTempDir({ prefix: "ghub-bench-many-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const rows = await listRows(hub.callAddress, { dir, count });
  const took = new Map(
    rows.map(({ what }) => [what, { cpuMs: [] as number[], wallMs: [] as number[] }]),
  );
  for (const row of rows) await timeOf(row);
  for (let start = 0; start < STARTS * rounds; start++) {
    signal.throwIfAborted();
    for (const row of rows) {
      const { cpuMs, wallMs, lines } = await timeOf(row);
      took.get(row.what)!.cpuMs.push(cpuMs);
      took.get(row.what)!.wallMs.push(lines >= row.lines ? wallMs : Infinity);
    }
  }
  const figures = Object.fromEntries([...took].map(([what, { cpuMs, wallMs }]) => [
    what,
    { cpuMs: median(cpuMs), wallMs: median(wallMs) },
  ]));
  const ours = Object.entries(figures).filter(([what]) => what.startsWith("gclient"));
  return {
    figures: { servers: count, ...figures },
    missed: ours.filter(([, { wallMs }]) => wallMs >= LISTED_GOAL_MS).length,
    text: table([
      [`${count} servers`, "by the clock, ms", "processor, ms", "goal, ms"],
      ...Object.entries(figures).map(([what, { cpuMs, wallMs }]) => [
        ...[what, figure(wallMs), figure(cpuMs)],
        what.startsWith("gclient") ? String(LISTED_GOAL_MS) : "",
      ]),
    ]),
  };
}

/** A command, and how many lines its answer has. */
type Listing = Started & { readonly lines: number };

async function listRows(
  address: string,
  { dir, count }: { readonly dir: string; readonly count: number },
): Promise<Listing[]> {
  const script = `${dir}/call.mjs`;
  const entry = { name: "call", entry: "bench/start/grpc_js_call.ts", flags: [] };
  await Deno.writeFile(script, await bundle(entry, ROOT));
  const call = [script, address, "/ghub.v1.Hub/ListServers"];
  const client = "client/main.ts";
  // A hub or a machine that is slow is a time to be measured, not an error.
  const to = ["-s", address, "--connect-timeout=1m", "--timeout=1m"];
  const list = (form: string) =>
    oursOf(`gclient hub servers -o ${form}`, client, "hub", "servers", "-o", form, ...to);
  const words = ["__complete", "fluentd", "status", ...to, ""];
  const all = [
    { ...await list("table"), lines: count + 1 },
    { ...await list("json"), lines: 1 },
    { ...await oursOf("gclient, completion", client, ...words), lines: count },
    { what: "Node, grpc-js, the bare call", command: "node", args: call, lines: 0 },
    {
      lines: 0,
      what: "Deno, grpc-js, the bare call",
      command: Deno.execPath(),
      args: ["run", "--quiet", "--no-config", "--no-lock", "-A", ...call],
    },
  ];
  const there = await Promise.all(all.map(({ command }) => isThere(command)));
  return all.filter((_, i) => there[i]);
}

/** How often the servers were called, and how many at the same time. */
class Count {
  calls = 0;
  running = 0;
  most = 0;
}

type Behaviour = "works" | "refuses" | "is silent";

function behaviourOf(i: number): Behaviour {
  return i === 2 ? "is silent" : i % 20 === 7 ? "refuses" : "works";
}

function fluentd(behaviour: Behaviour, count: Count) {
  return toService("fluentd.v1.Fluentd", {
    implementation: {
      Restart: unary<object, object>(async (_request, { signal }) => {
        count.calls++;
        count.most = Math.max(count.most, ++count.running);
        try {
          if (behaviour === "is silent") await untilAborted(signal);
          if (behaviour === "refuses") throw new RpcError(Status.FAILED_PRECONDITION, "No disk");
          await delay(WORK_MS);
          return { status: "SUCCESS" };
        } finally {
          count.running--;
        }
      }),
    },
  });
}

async function measureCommand({ size, log }: SuiteOptions) {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startHub());
  const servers = Math.ceil(CALLED * size);
  log(`starting ${servers} servers`);
  const count = new Count();
  const serving = Promise.withResolvers<void>();
  const left = new Set(Array.from({ length: servers }, (_, i) => `edge-${i}`));
  for (const [i, name] of [...left].entries()) {
    stack.use(
      await startServer({
        name,
        hubUri: new URL(hub.tunnelUri),
        services: [fluentd(behaviourOf(i), count)],
        onState(agent, { state }) {
          if (state === "serving" && left.delete(agent) && left.size === 0) serving.resolve();
        },
      }),
    );
  }
  await serving.promise;
  const behaviours = Array.from({ length: servers }, (_, i) => behaviourOf(i));
  const works = behaviours.filter((behaviour) => behaviour === "works").length;
  const flags = [
    `--per-target-timeout=${PER_TARGET_MS}ms`,
    `--parallel=${PARALLEL}`,
    "--yes",
    "-n",
  ];
  const { cpuMs, wallMs, stderr } = await timeOf({
    // Some have failed.
    code: 4,
    ...await oursOf("a command for many servers", "client/main.ts", ...[
      ...["fluentd", "restart", "--all", "-s", hub.callAddress, ...flags],
    ]),
  });
  const summary = stderr.trimEnd().split("\n").at(-1) ?? "";
  const expected = `fluentd.restart: ${works} of ${servers} servers ok; ${
    servers - works
  } failed: `;
  const isRight = summary.startsWith(expected) && count.calls === servers;
  const times = wallMs / PER_TARGET_MS;
  const isMet = isRight && count.most <= PARALLEL && times < CALLED_GOAL;
  return {
    figures: { servers, cpuMs, wallMs, times, most: count.most, summary, isMet },
    missed: isMet ? 0 : 1,
    text: table([
      [`${servers} servers, one never answers`, "", "goal"],
      ["by the clock, ms", figure(wallMs), ""],
      ["times what the slowest takes", ratio(wallMs, PER_TARGET_MS), `< ${CALLED_GOAL}×`],
      ["processor time of gclient, ms", figure(cpuMs), ""],
      ["most calls at once", String(count.most), `≤ ${PARALLEL}`],
      ["calls", String(count.calls), String(servers)],
      [summary.slice(0, expected.length - 2), isRight ? "right" : "wrong", "right"],
    ]),
  };
}
