/**
 * All members of etcd are killed and stay away, while calls go on and servers register.
 *
 * @module
 */
import { delay } from "../../../shared/async/delay.ts";
import { atMost, type Part, row, sleep, until } from "../../part.ts";
import { startEchoServers } from "./echo_servers.ts";
import { BenchEtcd } from "./etcd.ts";
import { HubCaller } from "./hub_caller.ts";
import { memberMetrics, startMembers } from "./member_hubs.ts";

const AWAY_S = 600;
const SERVERS = 30;
const NEWCOMERS = 10;
const WORKERS = 6;
const PAUSE_MS = 5;
const CALL_TIMEOUT_MS = 30_000;
const MAX_BACK_S = 5;

export const engineAway: Part = {
  id: "engine-away",
  name: "etcd is away",
  seconds: 620,
  async run({ some, signal, log }) {
    await using stack = new AsyncDisposableStack();
    const etcd = stack.use(await BenchEtcd.start({ signal }));
    const hubs = await startMembers(stack, { etcd, names: ["west", "east", "north"], signal });
    const hubUris = hubs.map(({ tunnelUri }) => tunnelUri);
    const names = Array.from({ length: SERVERS }, (_, i) => `edge-${i}`);
    let lost = 0;
    const onLost = () => lost++;
    const servers = stack.use(new AsyncDisposableStack());
    await startEchoServers(servers, { names, hubUris, tunnels: 2, onLost });
    const callers = await Promise.all(
      hubs.map(async ({ callAddress }) => stack.use(await HubCaller.connect(callAddress))),
    );
    const isKnown = (name: string) =>
      Promise.all(callers.map((caller) => caller.echo(name, { timeoutMs: CALL_TIMEOUT_MS })))
        .then((all) => all.every((outcome) => outcome === "ok"));
    await until(async () => (await Promise.all(names.map(isKnown))).every(Boolean), { signal });

    const load = new Load(callers, names);
    await etcd.killAll();
    const awayS = some(AWAY_S);
    log(`etcd is away for ${awayS} s`);
    const isDetached = async () =>
      (await Promise.all(hubs.map(memberMetrics))).every((one) => !one.isMember);
    const detachedMs = await until(isDetached, { signal });
    const newcomers = Array.from({ length: NEWCOMERS }, (_, i) => `new-${i}`);
    await startEchoServers(servers, { names: newcomers, hubUris, tunnels: 2, onLost });
    const provisional = (await Promise.all(hubs.map(memberMetrics)))
      .reduce((sum, one) => sum + one.provisional, 0);
    await sleep(Math.max(0, awayS * 1000 - (performance.now() - detachedMs)), signal);
    etcd.startAll();
    const backMs = await etcd.healthy({ signal });
    const membersMs = await until(async () => {
      const all = await Promise.all(hubs.map(memberMetrics));
      return all.every((one) => one.isMember && one.provisional === 0);
    }, { signal });
    await until(async () => (await Promise.all(newcomers.map(isKnown))).every(Boolean), { signal });
    const { calls, failed } = await load.stop();
    const tunnels = lost;
    return [
      row(`etcd away for ${awayS} s: calls`, calls, ""),
      row("  calls lost", failed, "", atMost(0)),
      row("  tunnels lost", tunnels, "", atMost(0)),
      row("  registered provisionally meanwhile", provisional, "tunnels"),
      row(
        "etcd back: all hubs members, nothing provisional",
        (membersMs - backMs) / 1000,
        "s",
        atMost(MAX_BACK_S),
      ),
    ];
  },
};

/** Calls to all servers through all hubs, without an end. */
class Load {
  readonly #workers: Promise<void>[];
  #isStopped = false;
  #calls = 0;
  #failed = 0;

  constructor(callers: readonly HubCaller[], names: readonly string[]) {
    this.#workers = Array.from({ length: WORKERS }, async (_, worker) => {
      const caller = callers[worker % callers.length]!;
      for (let i = worker; !this.#isStopped; i++) {
        this.#calls++;
        const name = names[i % names.length]!;
        if (await caller.echo(name, { timeoutMs: CALL_TIMEOUT_MS }) !== "ok") this.#failed++;
        await delay(PAUSE_MS);
      }
    });
  }

  async stop(): Promise<{ readonly calls: number; readonly failed: number }> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
    return { calls: this.#calls, failed: this.#failed };
  }
}
