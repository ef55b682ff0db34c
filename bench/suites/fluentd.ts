/**
 * The suite `fluentd`: how long GetStatus takes with a real Fluentd of two workers, among other
 * processes of the machine. Straight to the service: no hub, no network, no monitor of Fluentd's.
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { fluentdService } from "../../server/fluentd/mod.ts";
import { CallMetadata } from "../../shared/grpc/call_metadata.ts";
import type { Handlers, UnaryHandler } from "../../shared/grpc/handlers.ts";
import { freePorts } from "../free_ports.ts";
import type { SuiteOptions, SuiteResult } from "../suite.ts";
import { table } from "../table.ts";

/** Processes that have nothing to do with it. */
const OTHERS = 500;
/** Milliseconds, without what Fluentd itself takes. */
const GOAL_MS = 30;
/** Until the first look has learned what stays. */
const WARM_UP = 10;

const CONFIG = (port: number) => `
<system>
  workers 2
</system>
<source>
  @type tcp
  tag test
  bind 127.0.0.1
  port ${port}
  <parse>
    @type none
  </parse>
</source>
<match **>
  @type null
</match>
`;

interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  /** Of gserver for one call, all threads: does not depend on what else the machine does. */
  readonly cpu: number;
}

export async function fluentd({ seconds, signal, log }: SuiteOptions): Promise<SuiteResult> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "ghub-bench-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const configPath = `${dir}/fluent.conf`;
  const [port = 0] = freePorts(1);
  await Deno.writeTextFile(configPath, CONFIG(port));
  const handle = await fluentdService({ manager: "spawn", configPath, stateDir: `${dir}/state` });
  stack.defer(() => handle.close());
  const call = caller(handle.implementation, signal);
  stack.defer(async () => void await call("Stop", { forceAfter: true, wait: { seconds: 20 } }));
  const { status } = await call("Start", { wait: { seconds: 300 } }) as { status?: string };
  if (status !== "SUCCESS") throw new Error(`Cannot measure: Fluentd's start said ${status}`);
  const rows: [string, Percentiles][] = [["running", await measure(call, seconds)]];
  log("with other processes");
  stack.use(crowd());
  rows.push([`running, ${OTHERS} other processes`, await measure(call, seconds)]);
  await call("Stop", { forceAfter: true, wait: { seconds: 20 } });
  rows.push([`stopped, ${OTHERS} other processes`, await measure(call, seconds)]);
  return {
    figures: Object.fromEntries(rows),
    text: table([
      ["GetStatus, ms", "p50", "p90", "p99", "CPU"],
      ...rows.map((
        [name, { p50, p90, p99, cpu }],
      ) => [name, ...[p50, p90, p99, cpu].map((n) => n.toFixed(1))]),
    ]),
    missed: rows.filter(([, { p90 }]) => p90 > GOAL_MS).length,
  };
}

type Call = (method: string, request: object) => Promise<unknown>;

/** Calls handlers as whoever serves them does. */
function caller(handlers: Handlers, signal: AbortSignal): Call {
  return async (method, request) => {
    const handler = handlers[method];
    if (handler?.kind !== "unary") throw new Error(`Cannot call ${method}`);
    const handle = handler.handle as UnaryHandler<object, unknown>;
    return await handle(request, {
      signal,
      metadata: new CallMetadata(),
      trailers: new CallMetadata(),
      peer: "bench",
      sendHeaders() {},
    });
  };
}

async function measure(call: Call, seconds: number): Promise<Percentiles> {
  const times: number[] = [];
  for (let i = 0; i < WARM_UP; i++) await call("GetStatus", {});
  const before = cpuUsage();
  const untilMs = performance.now() + seconds * 1000;
  while (performance.now() < untilMs) {
    const beganMs = performance.now();
    await call("GetStatus", {});
    times.push(performance.now() - beganMs);
  }
  const { user, system } = cpuUsage(before);
  times.sort((a, b) => a - b);
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  const cpu = (user + system) / 1000 / times.length;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), cpu };
}

/** Processes that only sleep, and that are not our children. */
function crowd(): AsyncDisposable {
  const script = `for i in $(seq ${OTHERS}); do sleep 3600 & done; wait`;
  const parent = new Deno.Command("sh", { args: ["-c", script], detached: true }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      // All of its group.
      Deno.kill(-parent.pid, "SIGKILL");
      await parent.status;
    },
  };
}
