/**
 * How soon every hub knows a server that has registered at one: calls for it wait at all hubs, and are answered as
 * soon as they do. So a call's own way is in the figure.
 *
 * @module
 */
import { delay } from "../../../shared/async/delay.ts";
import { startHub } from "../../hub_under_test.ts";
import { serveEcho } from "../../lean/echo.ts";
import { openTunnel } from "../../lean/tunnel.ts";
import type { Wire } from "../../lean/wire.ts";
import { atMost, type Part, row } from "../../part.ts";
import { BenchEtcd } from "./etcd.ts";
import { untilSeen } from "./etcd_alone.ts";
import { HubCaller } from "./hub_caller.ts";
import { startMembers } from "./member_hubs.ts";

const SERVERS = 2_000;
const PER_S = 200;
/** Fewer take so short a time that programs which have just started decide about the slowest percent. */
const MIN_SERVERS = 600;
/** Before those that count, so that every program has compiled what it runs. */
const WARM_UP = 300;
const PATIENCE_MS = 60_000;
const MAX_KNOWN_MS = 200;
/** The hubs' own rate of admission must not be what is measured. */
const ARGS = ["--max-handshakes-per-second", "10000"];

export const claims: Part = {
  id: "claims",
  name: "servers register at three hubs",
  seconds: 40,
  async run({ some, signal }) {
    const count = Math.max(MIN_SERVERS, some(SERVERS));
    const alone = await measureAlone(count);
    await using stack = new AsyncDisposableStack();
    const etcd = stack.use(await BenchEtcd.start({ signal }));
    const etcdAloneMs = await untilSeen(etcd, { count, perS: PER_S });
    const hubs = await startMembers(stack, {
      etcd,
      names: ["west", "east", "north"],
      args: ARGS,
      signal,
    });
    await register(hubs, { count: WARM_UP, prefix: "warm-up", stack });
    const before = await etcd.usage();
    const { knownMs, perS, repeated } = await register(hubs, { count, prefix: "claim", stack });
    const after = await etcd.usage();
    const etcdCpu = (after.cpuUs - before.cpuUs) / (count / perS * 1e6) * 100;
    const p = (share: number) => [percentile(knownMs, share), percentile(alone.knownMs, share)];
    const [p50, p50Alone] = p(0.5), [p99, p99Alone] = p(0.99);
    const what = "registered → called through every other hub";
    return [
      row("servers registered, each second", perS, "/s", undefined, alone.perS),
      row(`${what}, p50`, p50!, "ms", undefined, p50Alone),
      row(`${what}, p99`, p99!, "ms", atMost(MAX_KNOWN_MS), p99Alone),
      row(
        "  of which etcd alone: committed and seen by a watch, p50",
        percentile(etcdAloneMs, 0.5),
        "ms",
      ),
      row("  … p99", percentile(etcdAloneMs, 0.99), "ms"),
      row("  calls that had to be repeated: too early", repeated, "", undefined, alone.repeated),
      row("  CPU of etcd meanwhile, all three members", etcdCpu, "%"),
    ];
  },
};

async function measureAlone(count: number): Promise<Registered> {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startHub({ args: ARGS }));
  await register([hub], { count: WARM_UP, prefix: "warm-up", stack });
  return await register([hub], { count, prefix: "claim", stack });
}

interface Registered {
  /** In order. */
  readonly knownMs: readonly number[];
  readonly perS: number;
  /** Calls that came to the hub that has the server before its tunnel was open there. */
  readonly repeated: number;
}

/** Registers servers at an even pace, at one hub after the other; calls wait for each at all other hubs. */
async function register(
  hubs: readonly { readonly tunnelUri: string; readonly callAddress: string }[],
  { count, prefix, stack }: {
    readonly count: number;
    readonly prefix: string;
    /** Until when they stay: to end them is work as well. */
    readonly stack: AsyncDisposableStack;
  },
): Promise<Registered> {
  const callers: HubCaller[] = [];
  for (const { callAddress } of hubs) {
    callers.push(stack.use(await HubCaller.connect(callAddress)));
  }
  const wires: Wire[] = [];
  stack.defer(() => {
    for (const wire of wires) wire.close();
  });
  const startMs = performance.now();
  let lastMs = startMs;
  let repeated = 0;
  const one = async (i: number): Promise<number> => {
    const [name, home] = [`${prefix}-${i}`, i % hubs.length];
    const others = hubs.length === 1 ? callers : callers.filter((_, at) => at !== home);
    const answered = others.map(async (caller) => {
      const asked = () => caller.echo(name, { waitMs: PATIENCE_MS, timeoutMs: PATIENCE_MS });
      let outcome = await asked();
      // The other hubs may hear of a place before the hub that has it.
      for (; outcome === "not-delivered"; outcome = await asked()) repeated++;
      if (outcome !== "ok") throw new Error(`The call for "${name}" ended with ${outcome}`);
      return performance.now();
    });
    const answer = await openTunnel(hubs[home]!.tunnelUri, name);
    if (!("wire" in answer)) throw new Error(`Cannot register "${name}": ${answer.head}`);
    const registeredMs = lastMs = performance.now();
    wires.push(answer.wire);
    serveEcho(answer.wire).ended.catch(() => {}); // Its calls tell.
    return Math.max(0, Math.max(...await Promise.all(answered)) - registeredMs);
  };
  const all: Promise<number>[] = [];
  for (let i = 0; i < count; i++) {
    const dueMs = startMs + i * 1000 / PER_S - performance.now();
    if (dueMs > 0) await delay(dueMs);
    all.push(one(i));
  }
  const knownMs = (await Promise.all(all)).sort((a, b) => a - b);
  return { knownMs, perS: count / (lastMs - startMs) * 1000, repeated };
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
