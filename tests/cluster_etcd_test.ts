/**
 * Members of a cluster on a real etcd that is killed, frozen, full, restored and closed to them. What the
 * hubs' own code does on any engine stands in hub/cluster/cluster_test.ts.
 */
import assert from "node:assert/strict";
import { ClusterKeys, generationOf } from "../hub/cluster/keys.ts";
import { GivenEngine } from "../hub/cluster/testing/given_engine.ts";
import { checkDepartures, checkForgetting } from "../hub/cluster/testing/departures.ts";
import { type MemberTunnel, TestMember } from "../hub/cluster/testing/member.ts";
import { EtcdEngine } from "../hub/engine/etcd_engine.ts";
import { delay } from "../shared/async/delay.ts";
import { Channel } from "../shared/grpc_client/channel.ts";
import { denoStream } from "../shared/grpc_client/byte_stream.ts";
import { Etcd, isWithoutEtcd } from "./support/etcd.ts";
import { until } from "./support/until.ts";

const ignore = isWithoutEtcd();

/** Longer than etcd takes for a new leader here, and short enough to wait for its end. */
const TIMES = { ttlMs: 6_000, renewMs: 500 };
const [A, B] = ["a", "b"].map((letter) => letter.repeat(8));

function member(name: string, etcd: Etcd, user?: string): TestMember {
  const engine = new EtcdEngine({ members: etcd.addresses, tls: etcd.tlsFiles(user) });
  return new TestMember(name, engine, { ...TIMES, engine });
}

async function members(...all: readonly TestMember[]): Promise<void> {
  await until(
    "all to be members",
    () => all.every(({ cluster }) => cluster.state === "member" && cluster.usage.provisional === 0),
  );
}

function detached(...all: readonly TestMember[]): Promise<boolean> {
  return until(
    "all to be detached",
    () => all.every(({ cluster }) => cluster.state === "detached"),
  );
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore, fn });
}

/** What is done to etcd, in turns. */
const FAULTS: readonly ((etcd: Etcd) => Promise<void>)[] = [
  async (etcd) => {
    const leader = await etcd.leader();
    await leader.kill();
    await delay(FAULT_MS);
    leader.start();
  },
  async (etcd) => {
    const { process } = await etcd.leader();
    process.pause();
    await delay(2 * FAULT_MS);
    process.resume();
  },
  async (etcd) => {
    await etcd.kill();
    etcd.start();
  },
  async (etcd) => {
    const [, second, third] = etcd.members.map(({ process }) => process);
    for (const process of [second, third]) process!.pause();
    await delay(2 * FAULT_MS);
    for (const process of [second, third]) process!.resume();
  },
];
/** Longer than etcd's election timeout: there is another leader by then. */
const FAULT_MS = 1_500;
/** The first two by themselves; more of them take longer: CONTRIBUTING.md. */
const FAULT_COUNT = Number(Deno.env.get("GHUB_ENGINE_FAULTS") ?? 2);
const GENERATIONS_PER_FAULT = FAULT_COUNT > FAULTS.length ? 500 : 100;

test("H1: no generation is given twice while the leader is killed and frozen, all die, and the quorum is lost", async () => {
  await using etcd = await Etcd.start({ members: 3 });
  await using one = member("one", etcd);
  await using other = member("other", etcd);
  await members(one, other);
  const tunnels: MemberTunnel[] = [];
  let isOver = false;
  const work = async (hub: TestMember, names: string) => {
    for (let i = 0; !isOver; i++) {
      tunnels.push(await hub.registered(`${names}-${i}`, A!));
      await delay(2); // As servers do that come one after the other, also while nobody decides.
    }
  };
  const workers = [1, 2, 3, 4].map((i) => work(i % 2 === 0 ? one : other, `edge-${i}`));
  const given = () => tunnels.filter(({ generation }) => generation > generationOf(1, 0)).length;
  for (let i = 0; i < FAULT_COUNT; i++) {
    await FAULTS[i % FAULTS.length]!(etcd);
    await etcd.ready();
    const from = given();
    await until("more generations", () => given() >= from + GENERATIONS_PER_FAULT);
  }
  isOver = true;
  await Promise.all(workers);
  await members(one, other);
  const generations = tunnels.map(({ generation }) => generation);
  const distinct = new Set(generations).size;
  if (FAULT_COUNT > FAULTS.length) {
    console.log(`${FAULT_COUNT} faults, ${generations.length} generations, ${distinct} distinct`);
  }
  assert.equal(distinct, generations.length, "each has another one");
  assert.ok(generations.every((generation) => generation > generationOf(1, 0)));
  assert.ok(tunnels.every(({ state }) => state === "open"), "none was cut");
});

test("H2: all members are dead for longer than a session lasts: nobody is evicted", async () => {
  await using etcd = await Etcd.start({ members: 3 });
  await using one = member("one", etcd);
  await using other = member("other", etcd);
  await members(one, other);
  const standing = await one.registered("edge-1", A!);
  await until("its place", () => other.places("edge-1").length === 1);
  const session = one.cluster.session;
  await etcd.kill();
  const diedMs = performance.now();
  await detached(one, other);
  const provisional = await one.registered("edge-2", A!);
  await until("two sessions' time to be over", () => performance.now() - diedMs > 2 * TIMES.ttlMs);
  assert.deepEqual(other.places("edge-1"), ["one"], "the last view is used");
  etcd.start();
  await members(one, other);
  assert.equal(one.cluster.session, session, "etcd gives each session its full time again");
  await until("the new one", () => other.places("edge-2").length === 1);
  assert.deepEqual([standing.state, provisional.state], ["open", "open"]);
});

test("H3: without a quorum servers are taken provisionally, but not another instance of a known name", async () => {
  await using etcd = await Etcd.start({ members: 3 });
  await using one = member("one", etcd);
  await using other = member("other", etcd);
  await members(one, other);
  await one.registered("edge-1", A!);
  await until("its place", () => other.places("edge-1").length === 1);
  const [, second, third] = etcd.members;
  second!.process.pause();
  third!.process.pause();
  await detached(one, other);
  const refusal = await other.register("edge-1", B!);
  assert.ok("status" in refusal);
  assert.deepEqual([refusal.status, refusal.retryAfterS], [503, 10]);
  const same = await other.registered("edge-1", A!);
  const fresh = await other.registered("edge-2", B!);
  second!.process.resume();
  third!.process.resume();
  await members(one, other);
  await until("both places", () => one.places("edge-1").length + one.places("edge-2").length === 2);
  assert.deepEqual([same.state, fresh.state], ["open", "open"]);
});

test("H4: a hub that cannot reach etcd while that goes on and compacts reads everything again", async () => {
  await using etcd = await Etcd.start();
  const engine = new GivenEngine(new EtcdEngine({ members: etcd.addresses }));
  const real = new EtcdEngine({ members: etcd.addresses });
  await using other = new TestMember("other", real, { ...TIMES, engine: real });
  await using one = new TestMember("one", engine, TIMES);
  await members(one, other);
  const gone = await other.registered("edge-1", A!);
  await until("its place", () => one.places("edge-1").length === 1);
  engine.takeAway();
  gone.close({ reason: "gone", by: "server" });
  for (let i = 0; i < 20; i++) await other.registered(`edge-${2 + i}`, A!);
  await using reader = new EtcdEngine({ members: etcd.addresses });
  const { revision } = await reader.read("/");
  await etcd.ctl("compact", String(revision));
  engine.isAway = false;
  await until(
    "what was missed",
    () => one.places("edge-1").length === 0 && one.places("edge-21").length === 1,
  );
  assert.equal([...one.cluster.names()].length, 20);
  await members(one, other);
});

test("H5: etcd without room is as good as away, until it has some", async () => {
  await using etcd = await Etcd.start({ args: [`--quota-backend-bytes=${4 << 20}`] });
  await using one = member("one", etcd);
  await members(one);
  const standing = await one.registered("edge-1", A!);
  await using reader = new EtcdEngine({ members: etcd.addresses });
  const filler = { put: "filler", value: new Uint8Array(1 << 20) };
  await until("no room", async () => {
    const error = await reader.commit({ conditions: [], writes: [filler] }).catch((error) => error);
    return error.fault === "full";
  });
  const provisional = await one.registered("edge-2", A!);
  assert.equal(one.cluster.state, "detached");
  assert.match(one.cluster.usage.fault, /space exceeded/);
  await etcd.ctl("del", "filler");
  await etcd.ctl("compact", String((await reader.read("/")).revision));
  await etcd.ctl("defrag");
  await etcd.ctl("alarm", "disarm");
  await members(one);
  assert.ok(provisional.generation > generationOf(1, 0));
  assert.deepEqual([standing.state, provisional.state], ["open", "open"]);
});

test("H6: etcd restored from a backup: its revisions went back, the epoch rises, and no generation comes again", async () => {
  await using etcd = await Etcd.start();
  await using one = member("one", etcd);
  await using other = member("other", etcd);
  await members(one, other);
  const tunnels = [await one.registered("edge-1", A!)];
  const saved = await etcd.save("backup");
  for (let i = 0; i < 30; i++) tunnels.push(await other.registered(`edge-${2 + i}`, A!));
  await etcd.restore(saved);
  await until("another epoch at both", async () => {
    const epoch = await etcd.ctl("get", new ClusterKeys("test").epoch, "--print-value-only");
    return Number(epoch) >= 2;
  });
  await members(one, other);
  await until("all places", () => [...one.cluster.names()].length === 31 - 1);
  for (let i = 0; i < 40; i++) tunnels.push(await one.registered(`later-${i}`, A!));
  const generations = tunnels.map(({ generation }) => generation);
  assert.equal(new Set(generations).size, generations.length);
  assert.ok(
    tunnels.slice(31).every(({ generation }) => generation > Math.max(...generations.slice(0, 31))),
  );
  assert.ok(tunnels.every(({ state }) => state === "open"), "nothing was cut");
});

test("H7: etcd with a narrow role: a hub needs its prefix alone, and a stranger's certificate opens nothing", async () => {
  await using etcd = await Etcd.start({ tls: true });
  await etcd.ctl("user", "add", "root", "--no-password");
  await etcd.ctl("user", "grant-role", "root", "root");
  await etcd.ctl("role", "add", "hubs");
  await etcd.ctl("role", "grant-permission", "hubs", "--prefix=true", "readwrite", "/ghub/");
  await etcd.ctl("user", "add", "ghub", "--no-password");
  await etcd.ctl("user", "grant-role", "ghub", "hubs");
  await etcd.ctl("auth", "enable");
  await using one = member("one", etcd);
  await members(one);
  const tunnel = await one.registered("edge-1", A!);
  assert.ok(tunnel.generation > generationOf(1, 0));
  await using outside = new EtcdEngine({ members: etcd.addresses, tls: etcd.tlsFiles() });
  await assert.rejects(outside.read("/other/"), { name: "EngineError", fault: "denied" });
  await using stranger = member("two", etcd, "stranger");
  await until("the stranger to be refused", () => stranger.cluster.usage.fault !== "");
  assert.match(stranger.cluster.usage.fault, /auth|permission denied/);
  assert.equal(stranger.cluster.state, "joining");
  const served = await stranger.registered("edge-9", A!);
  assert.equal(served.state, "open", "it serves its own servers all the same");
});

test("H8: etcd's GOAWAY to a client that pings too often ends its calls, and not the process", async () => {
  await using etcd = await Etcd.start();
  const [{ host: hostname, port }] = etcd.addresses as [{ host: string; port: number }];
  const connection = await Deno.connect({ hostname, port });
  await using channel = new Channel(denoStream(connection), {
    authority: `${hostname}:${port}`,
    keepaliveMs: 100,
  });
  await channel.ready;
  await until("GOAWAY", () => channel.goaway);
  assert.match(channel.goaway?.debug ?? "", /too_many_pings/);
  await using engine = new EtcdEngine({ members: etcd.addresses });
  assert.equal((await engine.read("/")).entries.length, 0);
});

test("H17: servers of a hub that died are away, and their departure says so; in the end they are forgotten", async () => {
  await using etcd = await Etcd.start({ members: 3 });
  const options = { open: () => new EtcdEngine({ members: etcd.addresses }), times: TIMES };
  await checkForgetting(options);
  await checkDepartures(options);
});
