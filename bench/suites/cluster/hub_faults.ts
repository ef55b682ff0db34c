/**
 * A hub that dies, or drains, under load: one hub alone, which is started again at once, compared with two
 * that know nothing of each other. What callers were told is held against what the servers have counted.
 *
 * @module
 */
import { attemptCall } from "../../../client/call/attempt.ts";
import { messageTypes } from "../../../client/call/call.ts";
import { deliveryOf } from "../../../client/call/delivery.ts";
import { delay } from "../../../shared/async/delay.ts";
import { parseHostPort } from "../../../shared/cli/parse_host_port.ts";
import { root } from "../../../shared/grpc/root.ts";
import { methodOf } from "../../../shared/grpc/service.ts";
import { USUAL_ADDRESS } from "../../../shared/registration/usual_address.ts";
import { atMost, type Part, row } from "../../part.ts";
import { Program } from "../../program.ts";
import { startEchoServers } from "./echo_servers.ts";
import { CALL_ID_FIELD } from "./hub_caller.ts";

const SERVERS = 50;
const WORKERS = 16;
/** Calls are long enough that some are under way at any moment. */
const CALL_MS = 10;
const WARM_MS = 1_000;
const AFTER_MS = 1_000;
const PROBE_MS = 20;

export const twoHubs: Part = {
  id: "two-hubs",
  name: "one of two hubs killed, then drained, and one hub alone",
  seconds: 25,
  async run({ log }) {
    const rows = [];
    for (const fault of ["kill", "drain"] as const) {
      const what = fault === "kill" ? "killed" : "drained";
      const alone = await measureHubFault(fault, { hubs: 1 });
      const two = await measureHubFault(fault, { hubs: 2 });
      log(`${what}: ${two.calls} calls, and ${alone.calls} at one hub alone`);
      const of = (text: string, key: keyof FaultFigures, unit: string, most?: number) =>
        row(text, two[key], unit, most === undefined ? undefined : atMost(most), alone[key]);
      const isKill = fault === "kill";
      rows.push(
        of(`one of two hubs ${what}, ${SERVERS} servers: calls`, "calls", ""),
        of("  lost on their way through it", "lost", "", isKill ? undefined : 0),
        of("  lost that were not on their way through it", "otherFailures", "", 0),
        of("  outcomes that the servers contradict", "untrue", "", 0),
        of("  all servers reachable after", "reachableMs", "ms"),
      );
    }
    return rows;
  },
};

/** What became of the calls. */
interface FaultFigures {
  readonly calls: number;
  /** On their way through the hub when it went: their outcome is unknown. */
  readonly lost: number;
  /** All others that failed. */
  readonly otherFailures: number;
  /** Outcomes that the servers' own count contradicts. */
  readonly untrue: number;
  /** From the fault until each server has answered a call. */
  readonly reachableMs: number;
}

interface BenchHub {
  readonly callAddress: string;
  readonly tunnelUri: string;
  readonly program: Program;
}

/** Measures one fault at the first of that many hubs. */
async function measureHubFault(
  fault: "kill" | "drain",
  { hubs: count }: { readonly hubs: number },
): Promise<FaultFigures> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "ghub-bench-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const startHub = async (i: number, tunnel: string, calls: string): Promise<BenchHub> => {
    const { program, match } = await Program.start("hub/main.ts", [
      ...["serve", "--tunnel-listen", tunnel, "--call-listen", calls, "--log-level", "fatal"],
      ...["--state-dir", `${dir}/hub-${i}`, "--audit-log", "none"],
    ], { ready: /^ghub ready tunnel=(\S+) call=(\S+)/m });
    stack.use(program);
    return { program, tunnelUri: match[1]!, callAddress: match[2]! };
  };
  const hubs: BenchHub[] = [];
  for (let i = 0; i < count; i++) hubs.push(await startHub(i, "127.0.0.1:0", "127.0.0.1:0"));
  const seen = new Map<string, number>();
  const names = Array.from({ length: SERVERS }, (_, i) => `edge-${i}`);
  await startEchoServers(stack, { names, hubUris: hubs.map(({ tunnelUri }) => tunnelUri), seen });

  const load = new Load(hubs.map(({ callAddress }) => callAddress), names);
  await delay(WARM_MS);
  const [first] = hubs;
  const faultMs = performance.now();
  const ended = first!.program.end(fault === "kill" ? "SIGKILL" : "SIGTERM");
  const restarted = count > 1
    ? undefined
    : ended.then(() => startHub(0, new URL(first!.tunnelUri).host, first!.callAddress));
  await Promise.all(names.map(async (name) => {
    while (await load.one(load.hubs, name) !== "ok") await delay(PROBE_MS);
  }));
  const reachableMs = performance.now() - faultMs;
  await Promise.all([ended, restarted, delay(AFTER_MS)]);
  const calls = await load.stop();
  const failed = calls.filter(({ outcome }) => outcome !== "ok");
  const isLost = (one: Ended) =>
    one.outcome === "unknown" && one.startedMs <= faultMs && one.hub === first!.callAddress;
  const untrue = calls.filter(({ id, outcome }) => {
    const times = seen.get(id) ?? 0;
    return times > 1 || (outcome === "ok" && times !== 1) ||
      (outcome === "not-delivered" && times !== 0);
  });
  return {
    calls: calls.length,
    lost: failed.filter(isLost).length,
    otherFailures: failed.filter((one) => !isLost(one)).length,
    untrue: untrue.length,
    reachableMs,
  };
}

/** A call that ended, as its caller knows it. */
interface Ended {
  readonly id: string;
  readonly startedMs: number;
  readonly outcome: string;
  readonly hub: string;
}

/** Calls to all servers, by several workers, half of which begin with the last hub. */
class Load {
  readonly hubs: readonly string[];
  readonly #ended: Ended[] = [];
  readonly #workers: Promise<void>[];
  #isStopped = false;

  constructor(hubs: readonly string[], names: readonly string[]) {
    this.hubs = hubs;
    this.#workers = Array.from({ length: WORKERS }, async (_, worker) => {
      const order = worker % 2 === 0 ? hubs : hubs.toReversed();
      for (let i = worker; !this.#isStopped; i++) {
        // A hub that is away answers at once: callers of the real world do not ask in a tight loop.
        if (await this.one(order, names[i % names.length]!) !== "ok") await delay(PROBE_MS);
      }
    });
  }

  async stop(): Promise<readonly Ended[]> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
    return this.#ended;
  }

  async one(hubs: readonly string[], server: string): Promise<string> {
    const method = methodOf(root, "echo.v1.Echo/Unary")!;
    const [id, startedMs] = [crypto.randomUUID(), performance.now()];
    const [first, ...otherHubs] = hubs.map((hub) => ({
      address: parseHostPort(hub, { usualPort: USUAL_ADDRESS.callPort }),
      tls: undefined,
      proxy: undefined,
    }));
    const { error, hub = first!, connected, refused } = await attemptCall({
      ...first!,
      otherHubs,
      method,
      requests: [messageTypes(method).request.create({ delayMs: CALL_MS })],
      server,
      token: undefined,
      raw: false,
      waitForServerMs: 0,
      headers: [{ key: CALL_ID_FIELD, value: id }],
      deadline: Date.now() + 60_000,
      connectTimeoutMs: 5_000,
      signal: new AbortController().signal,
      trace: undefined,
    }, () => Promise.resolve());
    const outcome = error === undefined ? "ok" : deliveryOf(error, { connected, refused });
    const address = hubs.find((one) => one.endsWith(`:${hub.address.port}`))!;
    this.#ended.push({ id, startedMs, outcome, hub: address });
    return outcome;
  }
}
