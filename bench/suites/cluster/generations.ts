/**
 * Generations that two hubs take from a real etcd while it is hurt, one fault after the other. The hubs are the
 * cluster's own code without a network, so that nothing but etcd slows them down.
 *
 * @module
 */
import { generationOf } from "../../../hub/cluster/keys.ts";
import { type MemberTunnel, TestMember } from "../../../hub/cluster/testing/member.ts";
import { EtcdEngine } from "../../../hub/engine/etcd_engine.ts";
import { delay } from "../../../shared/async/delay.ts";
import { atMost, type Goal, type Part, type PartOptions, row, sleep, until } from "../../part.ts";
import { BenchEtcd } from "./etcd.ts";

const FAULTS = 20;
const GENERATIONS = 10_000;
/** Longer than etcd's election timeout: there is another leader by then. */
const FAULT_MS = 1_500;
/** Longer than etcd takes for a new leader here, and short enough to wait for its end. */
const TIMES = { ttlMs: 6_000, renewMs: 500 };
const WORKERS = 4;
/** As servers do that come one after the other, also while nobody decides. */
const PAUSE_MS = 2;
const INSTANCE = "a".repeat(8);

type CauseFault = (etcd: BenchEtcd, options: Pick<PartOptions, "signal">) => Promise<void>;

/** What is done to etcd, in turns. */
const CAUSES: readonly CauseFault[] = [
  async (etcd, options) => {
    const leader = await etcd.leader(options);
    await leader.kill();
    await sleep(FAULT_MS, options.signal);
    leader.start();
  },
  async (etcd, options) => {
    await freeze([await etcd.leader(options)], options);
  },
  async (etcd) => {
    await etcd.killAll();
    etcd.startAll();
  },
  async (etcd, options) => {
    await freeze(etcd.members.slice(1), options);
  },
];

export const generations: Part = {
  id: "generations",
  name: "generations while etcd is killed, frozen, and without a quorum",
  seconds: 200,
  async run({ size, log, signal }) {
    await using stack = new AsyncDisposableStack();
    const etcd = stack.use(await BenchEtcd.start({ signal }));
    const hubs = ["one", "other"].map((name) => {
      const engine = new EtcdEngine({ members: etcd.addresses, tls: undefined });
      return stack.use(new TestMember(name, engine, { ...TIMES, engine }));
    });
    const areMembers = () =>
      hubs.every(({ cluster }) => cluster.state === "member" && cluster.usage.provisional === 0);
    await until(areMembers, { signal });
    const tunnels: MemberTunnel[] = [];
    const byWorker: Taken[][] = Array.from({ length: WORKERS }, () => []);
    let isOver = false;
    const work = async (worker: number) => {
      const hub = hubs[worker % hubs.length]!;
      for (let i = 0; !isOver; i++) {
        const tunnel = await hub.registered(`edge-${worker}-${i}`, INSTANCE);
        tunnels.push(tunnel);
        byWorker[worker]!.push({ tunnel, first: tunnel.generation });
        await delay(PAUSE_MS);
      }
    };
    const workers = Array.from({ length: WORKERS }, (_, worker) => work(worker));
    const faults = Math.max(CAUSES.length, Math.round(FAULTS * size));
    const perFault = GENERATIONS / FAULTS;
    // A provisional one is not of the engine yet.
    const given = () => tunnels.filter(({ generation }) => generation > generationOf(1, 0)).length;
    try {
      for (let i = 0; i < faults; i++) {
        await CAUSES[i % CAUSES.length]!(etcd, { signal });
        await etcd.healthy({ signal });
        const from = given();
        await until(() => given() >= from + perFault, { signal });
        log(`${i + 1} of ${faults} faults, ${given()} generations`);
      }
    } finally {
      isOver = true;
      await Promise.all(workers);
    }
    await until(areMembers, { signal });
    const all = tunnels.map(({ generation }) => generation);
    const twice = all.length - new Set(all).size;
    const back = byWorker.reduce((sum, taken) => sum + wentBack(taken), 0);
    return [
      row(
        `generations given during ${faults} faults of etcd`,
        all.length,
        "",
        atLeast(faults * perFault),
      ),
      row("  given twice, or back", twice + back, "", atMost(0)),
      row("  tunnels lost", tunnels.filter(({ state }) => state !== "open").length, "", atMost(0)),
    ];
  },
};

/** A tunnel, and the generation with which it was registered. */
interface Taken {
  readonly tunnel: MemberTunnel;
  readonly first: number;
}

/** How often one that was asked for later got a lower one; provisional ones have no order. */
function wentBack(taken: readonly Taken[]): number {
  const claimed = taken.filter(({ tunnel, first }) => tunnel.generation === first);
  return claimed.filter(({ first }, i) => i > 0 && first <= claimed[i - 1]!.first).length;
}

async function freeze(
  members: BenchEtcd["members"],
  { signal }: Pick<PartOptions, "signal">,
): Promise<void> {
  for (const { program } of members) program.signal("SIGSTOP");
  await sleep(2 * FAULT_MS, signal);
  for (const { program } of members) program.signal("SIGCONT");
}

function atLeast(least: number): Goal {
  return { text: `≥ ${least}`, holds: (value) => value >= least };
}
