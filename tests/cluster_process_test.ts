/** The program as a member of a cluster: its flags, a partition by dropped packets, and a frozen hub. */
import assert from "node:assert/strict";
import { Etcd, isWithoutEtcd } from "./support/etcd.ts";
import { assertSameTunnel, listed } from "./support/facts.ts";
import { ONE_WORKER, Process } from "./support/process.ts";
import { until } from "./support/until.ts";
import { World } from "./support/world.ts";

const ignore = isWithoutEtcd();

/** Whether this machine lets a test have a network of its own. */
async function isWithoutNetworks(): Promise<boolean> {
  const { code } = await Process.output("unshare", ["--net", "nft", "list", "ruleset"])
    .catch(() => ({ code: 1 }));
  if (code !== 0) console.warn("SKIPPED: no network of its own for a test (root, nft)");
  return code !== 0;
}

Deno.test({
  name: "H14: a hub that is cut off from etcd by dropped packets goes on, and so do the others",
  ignore: ignore || await isWithoutNetworks(),
  fn: async () => {
    const scene = ["run", "-A", "--quiet", "tests/support/etcd_partition.ts"];
    const { code, stdout, stderr } = await Process.output("unshare", [
      ...["--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"],
      ...[Deno.execPath(), ...scene],
    ]);
    assert.deepEqual([code, stdout], [0, "ok\n"], stderr);
  },
});

Deno.test({
  name:
    "H18: two hubs that cannot reach each other say so, and each serves the servers that it has",
  ignore: await isWithoutNetworks(),
  fn: async () => {
    const scene = ["run", "-A", "--quiet", "tests/support/link_partition.ts"];
    const { code, stdout, stderr } = await Process.output("unshare", [
      ...["--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"],
      ...[Deno.execPath(), ...scene],
    ]);
    assert.deepEqual([code, stdout], [0, "ok\n"], stderr);
  },
});

Deno.test({
  name: "22: the program asks etcd with TLS and its certificate, and reloads what proves it",
  ignore,
  fn: async () => {
    await using etcd = await Etcd.start({ tls: true });
    const { caFile, certFile, keyFile } = etcd.tlsFiles()!;
    await using world = await World.start({
      servers: ["edge-1"],
      hubArgs: [
        ...ONE_WORKER,
        ...["--cluster", `etcd://${etcd.endpoints}/site-1`, "--hub-name", "west"],
        ...["--cluster-ca-file", caFile!, "--cluster-cert-file", certFile!],
        ...["--cluster-key-file", keyFile!, "--metrics-listen", "127.0.0.1:0"],
      ],
    });
    await until("the metric", async () => /^ghub_cluster_member 1$/m.test(await world.metrics()));
    const said = await etcd.ctl("get", "--prefix", "/ghub/v1/site-1/at/", "--keys-only");
    assert.match(said, /\/edge-1$/m);
    await Deno.writeTextFile(certFile!, "broken");
    world.hub.signal("SIGHUP");
    await world.hub.says(/TLS files for etcd\W+is NOT applied.*ghub\.crt/);
  },
});

Deno.test({
  name: "H15: a hub that is frozen for longer than its session joins again, with its servers",
  ignore,
  fn: async () => {
    await using etcd = await Etcd.start();
    const keys = async (below: string) => {
      const said = await etcd.ctl("get", "--prefix", `/ghub/v1/site-1/${below}`, "--keys-only");
      return said.split("\n").filter((line) => line !== "");
    };
    await using world = await World.start({
      servers: ["edge-1"],
      hubArgs: [
        ...ONE_WORKER,
        ...["--cluster", `etcd://${etcd.endpoints}/site-1`, "--hub-name", "west"],
        ...["--metrics-listen", "127.0.0.1:0"],
        // Its server waits for it, however long this machine takes to see that the session has ended.
        ...["--ping-interval", "1m", "--dead-after", "10m"],
      ],
    });
    const [place] = await until("its place", async () => {
      const places = await keys("at/");
      return places.length === 1 && places;
    });
    const [record] = await keys("hub/");
    assert.match(await etcd.ctl("get", record!, "--print-value-only"), /"name":"west"/);
    assert.match(place!, /\/edge-1$/);
    await until("the metric", async () => /^ghub_cluster_member 1$/m.test(await world.metrics()));
    const before = await listed(world, "edge-1");
    world.hub.pause();
    await until("its session to end", async () => (await keys("hub/")).length === 0);
    world.hub.resume();
    const [again] = await until("another session", async () => {
      const records = await keys("hub/");
      return records.length === 1 && records;
    });
    assert.notEqual(again, record);
    await until("the new place alone", async () => {
      const places = await keys("at/");
      return places.length === 1 && places[0] !== place;
    });
    await assertSameTunnel(world, before);
  },
});
