/**
 * A hub that is cut off from etcd while another one is not, by dropped packets. Run in a network of its
 * own, as root:
 *
 *     unshare --net sh -c 'ip link set lo up && exec deno run -A tests/support/etcd_partition.ts'
 *
 * The cut hub dials 127.0.1.1, which is led to etcd on 127.0.0.1: so its packets can be told from others.
 *
 * @module
 */
import assert from "node:assert/strict";
import { TestMember } from "../../hub/cluster/testing/member.ts";
import { EtcdEngine } from "../../hub/engine/etcd_engine.ts";
import { Etcd } from "./etcd.ts";
import { Process } from "./process.ts";
import { until } from "./until.ts";

/** Long for a machine that stands still, short enough to wait for its end. */
const TIMES = { ttlMs: 10_000, renewMs: 500 };
const [A, B] = ["a", "b"].map((letter) => letter.repeat(8));

async function nft(rules: string): Promise<void> {
  const { code, stderr } = await Process.output("nft", ["-f", "-"], { stdin: rules });
  assert.equal(code, 0, stderr);
}

await nft(`
table ip way {
  chain out {
    type nat hook output priority -100
    ip daddr 127.0.1.1 dnat to 127.0.0.1
  }
}
table ip cut {
  chain out {
    type filter hook output priority 0
  }
}
`);
await using etcd = await Etcd.start({ members: 3 });
const ways = [etcd.addresses.map(({ port }) => ({ host: "127.0.1.1", port })), etcd.addresses];
const [cutEngine, freeEngine] = ways.map((members) => new EtcdEngine({ members }));
await using cut = new TestMember("cut", cutEngine!, { ...TIMES, engine: cutEngine! });
await using free = new TestMember("free", freeEngine!, { ...TIMES, engine: freeEngine! });
const isMember = (hub: TestMember) =>
  until(`${hub.name} to be a member`, () => hub.cluster.state === "member");
await Promise.all([isMember(cut), isMember(free)]);
const standing = await cut.registered("edge-1", A!);
const other = await cut.registered("edge-2", A!);
await until("their places", () => [...free.cluster.names()].length === 2);

await nft("add rule ip cut out ct original ip daddr 127.0.1.1 drop");
await until("the cut one to notice", () => cut.cluster.state === "detached");
await until("its places to go", () => [...free.cluster.names()].length === 0);
assert.equal(free.cluster.state, "member", "the other side goes on");
assert.deepEqual([standing.state, other.state], ["open", "open"], "nothing is cut");
const provisional = await cut.registered("edge-3", A!);
const newer = await free.registered("edge-1", B!);

await nft("flush chain ip cut out");
await isMember(cut);
await until("all places", () => free.places("edge-2").length + free.places("edge-3").length === 2);
await until("the older instance to go", () => standing.state === "closed");
assert.deepEqual([other.state, provisional.state, newer.state], ["open", "open", "open"]);
console.log("ok");
