import assert from "node:assert/strict";
import { UsageError } from "../../shared/cli/usage_error.ts";
import { clusterSetup } from "./cluster_options.ts";
import { parseClusterUri } from "./cluster_uri.ts";

const NONE = {
  cluster: undefined,
  clusterCaFile: undefined,
  clusterCertFile: undefined,
  clusterKeyFile: undefined,
  hubName: undefined,
};

Deno.test("parseClusterUri() reads members and the cluster's name", () => {
  assert.deepEqual(parseClusterUri("etcd://a:2379,10.0.0.1:1,[::1]:2/site-1"), {
    text: "etcd://a:2379,10.0.0.1:1,[::1]:2/site-1",
    cluster: "site-1",
    members: [
      { host: "a", port: 2379 },
      { host: "10.0.0.1", port: 1 },
      { host: "::1", port: 2 },
    ],
  });
});

Deno.test("parseClusterUri() refuses what is none, and says what one is", () => {
  for (
    const text of [
      "",
      "a:2379/x",
      "http://a:2379/x",
      "etcd://a:2379",
      "etcd://a:2379/",
      "etcd://a:2379/x/y",
      "etcd://a:2379/X",
      "etcd:///x",
      "etcd://a/x",
      "etcd://:2379/x",
      "etcd://a:0/x",
      "etcd://user:secret@a:2379/x",
      `etcd://${Array(10).fill("a:2379").join()}/x`,
    ]
  ) assert.throws(() => parseClusterUri(text), UsageError, text);
});

Deno.test("clusterSetup(): alone without --cluster, and names the hub by its machine", async () => {
  assert.equal(await clusterSetup(NONE), undefined);
  const cluster = parseClusterUri("etcd://a:2379/x");
  const setup = await clusterSetup({ ...NONE, cluster }, () => "machine-1");
  assert.deepEqual([setup?.cluster, setup?.hub], ["x", "machine-1"]);
  const named = await clusterSetup({ ...NONE, cluster, hubName: "west" });
  assert.equal(named?.hub, "west");
});

Deno.test("clusterSetup() refuses files that do nothing, that lack their key, or cannot be read", async () => {
  const cluster = parseClusterUri("etcd://a:2379/x");
  const file = new URL(import.meta.url).pathname;
  await assert.rejects(clusterSetup({ ...NONE, clusterCaFile: file }), /does nothing without/);
  await assert.rejects(
    clusterSetup({ ...NONE, cluster, clusterCertFile: file }),
    /belong together/,
  );
  await assert.rejects(
    clusterSetup({ ...NONE, cluster, clusterCaFile: "/nowhere/ca.crt" }),
    /Cannot read \/nowhere\/ca.crt/,
  );
});
