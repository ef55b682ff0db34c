/**
 * A hub that joins a cluster with very many names, compared with one that joins an empty one. The names are
 * written by the hubs' own code, for tunnels that are not there.
 *
 * @module
 */
import { MemberTunnel, TestMember } from "../../../hub/cluster/testing/member.ts";
import { EtcdEngine } from "../../../hub/engine/etcd_engine.ts";
import { startHub } from "../../hub_under_test.ts";
import { atMost, type Part, type PartOptions, row, until } from "../../part.ts";
import { BenchEtcd } from "./etcd.ts";
import { memberMetrics } from "./member_hubs.ts";

const NAMES = 100_000;
const HUBS = 10;
const MAX_READ_S = 5;
const MAX_MIB = 150;
const INSTANCE = "a".repeat(8);
const ANYWHERE = "127.0.0.1:0";

export const manyNames: Part = {
  id: "many-names",
  name: "a hub joins a cluster with many names",
  seconds: 40,
  async run({ some, signal, log }) {
    await using stack = new AsyncDisposableStack();
    const etcd = stack.use(await BenchEtcd.start({ signal }));
    const empty = await join(etcd, { signal });
    const count = some(NAMES);
    log(`${count} names are written`);
    await fill(stack, etcd, { count, signal });
    const full = await join(etcd, { signal });
    return [
      row(
        `a hub joins ${count} names: started → member`,
        full.joinS,
        "s",
        undefined,
        empty.joinS,
      ),
      row("  to read them", full.joinS - empty.joinS, "s", atMost(MAX_READ_S)),
      row("  the most memory that it takes", full.peakMib, "MiB", undefined, empty.peakMib),
      row("  for them", full.peakMib - empty.peakMib, "MiB", atMost(MAX_MIB)),
    ];
  },
};

/** Starts a hub, and waits until it is a member: it knows all names then. */
async function join(etcd: BenchEtcd, { signal }: Pick<PartOptions, "signal">) {
  const startMs = performance.now();
  await using hub = await startHub({
    args: ["--cluster", etcd.uri, "--hub-name", "joins", "--metrics-listen", ANYWHERE],
  });
  const memberMs = await until(async () => (await memberMetrics(hub)).isMember, { signal });
  const { peakRssBytes } = await hub.program.usage();
  return { joinS: (memberMs - startMs) / 1000, peakMib: peakRssBytes / 2 ** 20 };
}

/** Writes names of some hubs, which keep their sessions until the stack is disposed of. */
async function fill(
  stack: AsyncDisposableStack,
  etcd: BenchEtcd,
  { count, signal }: { readonly count: number } & Pick<PartOptions, "signal">,
): Promise<void> {
  const each = Math.ceil(count / HUBS);
  for (let i = 0; i < HUBS; i++) {
    const name = `hub-${i}`;
    const engine = new EtcdEngine({ members: etcd.addresses, tls: undefined });
    const member = stack.use(
      new TestMember(name, engine, {
        cluster: "bench",
        // Nobody dials it.
        record: { name, peerAddress: "", version: "0.0.0", protocol: 1 },
        ttlMs: 10_000,
        renewMs: 3_000,
      }),
    );
    for (let n = i * each; n < Math.min(count, (i + 1) * each); n++) {
      member.registry.add(new MemberTunnel(`tunnel-${n}`, `edge-${n}`, n, INSTANCE));
    }
    await until(
      () => member.cluster.state === "member" && member.cluster.usage.provisional === 0,
      { signal },
    );
  }
}
