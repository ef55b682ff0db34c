/**
 * One of three hubs is killed, or frozen, while another one forwards calls to its servers, which have one
 * tunnel each: when the others stop sending to it, and when all its servers are within reach again. One hub
 * alone is started again at once.
 *
 * @module
 */
import { rankHubs } from "../../../server/dial/hub_rank.ts";
import { delay } from "../../../shared/async/delay.ts";
import { type RunningHub, startHub } from "../../hub_under_test.ts";
import { atMost, type Part, type PartOptions, type Row, row } from "../../part.ts";
import { startEchoServers } from "./echo_servers.ts";
import { BenchEtcd } from "./etcd.ts";
import { HubCaller } from "./hub_caller.ts";
import { startMembers } from "./member_hubs.ts";

const FEW = 300;
const MANY = 2_000;
const MAX_FEW_S = 5;
const MAX_MANY_S = 25;
const MAX_KILLED_S = 1;
const MAX_FROZEN_S = 5;
/** A call is sent this often. */
const SEND_EVERY_MS = 10;
/** A call to a server whose hub is frozen must not end before the others have noticed. */
const CALL_TIMEOUT_MS = 30_000;
/** Longer than a hub takes to notice that another one is frozen. */
const SEND_FOR_MS = 8_000;
const PROBES = 32;
const PROBE_EVERY_MS = 50;

type Fault = "SIGKILL" | "SIGSTOP";

export const lostHub: Part = {
  id: "lost-hub",
  name: "one of three hubs killed, then frozen; its servers have one tunnel each",
  seconds: 150,
  async run(options) {
    const rows: Row[] = [];
    for (const [full, mostS] of [[FEW, MAX_FEW_S], [MANY, MAX_MANY_S]] as const) {
      const count = options.some(full);
      const alone = await measureAlone(count);
      const { stoppedS, reachableS } = await measure("SIGKILL", { ...options, count });
      rows.push(
        row(
          `hub killed, ${count} servers: others stop sending to it`,
          stoppedS,
          "s",
          atMost(MAX_KILLED_S),
        ),
        row("  all its servers reachable", reachableS, "s", atMost(mostS), alone),
      );
    }
    const count = options.some(FEW);
    const { stoppedS, reachableS } = await measure("SIGSTOP", { ...options, count });
    return [
      ...rows,
      row(
        `hub frozen, ${count} servers: others stop sending to it`,
        stoppedS,
        "s",
        atMost(MAX_FROZEN_S),
      ),
      row("  all its servers reachable", reachableS, "s"),
    ];
  },
};

interface MeasureOptions extends Pick<PartOptions, "log" | "signal"> {
  readonly count: number;
}

async function measure(fault: Fault, { count, log, signal }: MeasureOptions) {
  await using stack = new AsyncDisposableStack();
  const etcd = stack.use(await BenchEtcd.start({ signal }));
  const hubs = await startMembers(stack, { etcd, names: ["west", "east", "north"], signal });
  const [lost, asked] = hubs as readonly [RunningHub, RunningHub];
  const hubUris = hubs.map(({ tunnelUri }) => tunnelUri);
  const names = namesAt(lost.tunnelUri, { hubUris, count });
  log(`${count} servers register`);
  await startEchoServers(stack, { names, hubUris, tunnels: 1 });
  const caller = stack.use(await HubCaller.connect(asked.callAddress));
  await reach(caller, names);
  log(fault);
  const faultMs = performance.now();
  if (fault === "SIGSTOP") lost.program.signal(fault);
  else await lost.program.end(fault);
  let isReached = false;
  const [lastSentMs, reachedMs] = await Promise.all([
    send(caller, names, () => isReached && performance.now() - faultMs > SEND_FOR_MS),
    reach(caller, names).finally(() => isReached = true),
  ]);
  return {
    stoppedS: Math.max(0, lastSentMs - faultMs) / 1000,
    reachableS: (reachedMs - faultMs) / 1000,
  };
}

async function measureAlone(count: number): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const hub = await startHub();
  const names = Array.from({ length: count }, (_, i) => `edge-${i}`);
  await startEchoServers(stack, { names, hubUris: [hub.tunnelUri] });
  const faultMs = performance.now();
  await hub[Symbol.asyncDispose]();
  const again = stack.use(await startHub({ again: hub }));
  const caller = stack.use(await HubCaller.connect(again.callAddress));
  return (await reach(caller, names) - faultMs) / 1000;
}

/** Names of servers that prefer one hub. */
function namesAt(
  uri: string,
  { hubUris, count }: { readonly hubUris: readonly string[]; readonly count: number },
): string[] {
  const hubs = hubUris.map((one) => ({ key: new URL(one).href }));
  const names: string[] = [];
  for (let i = 0; names.length < count; i++) {
    const name = `edge-${i}`;
    if (rankHubs(name, hubs)[0]!.key === new URL(uri).href) names.push(name);
  }
  return names;
}

/** Calls one server after the other. @returns When the last call began of which nobody knows how far it came. */
async function send(
  caller: HubCaller,
  names: readonly string[],
  isOver: () => boolean,
): Promise<number> {
  let lastMs = -Infinity;
  const calls: Promise<void>[] = [];
  for (let i = 0; !isOver(); i++) {
    const startedMs = performance.now();
    const call = caller.echo(names[i % names.length]!, { timeoutMs: CALL_TIMEOUT_MS });
    calls.push(call.then((outcome) => {
      if (outcome === "unknown") lastMs = Math.max(lastMs, startedMs);
    }));
    await delay(SEND_EVERY_MS);
  }
  await Promise.all(calls);
  return lastMs;
}

/** Calls each server until it answers. @returns When all had. */
async function reach(caller: HubCaller, names: readonly string[]): Promise<number> {
  const left = [...names];
  await Promise.all(Array.from({ length: PROBES }, async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      while (await caller.echo(name, { timeoutMs: CALL_TIMEOUT_MS }) !== "ok") {
        await delay(PROBE_EVERY_MS);
      }
    }
  }));
  return performance.now();
}
