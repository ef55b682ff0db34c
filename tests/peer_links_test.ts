/**
 * Hubs of one cluster as a person starts them: two programs, one etcd, one secret in a file.
 */
import assert from "node:assert/strict";
import { Etcd, isWithoutEtcd } from "./support/etcd.ts";
import { plainPath } from "./support/path.ts";
import { ONE_WORKER } from "./support/process.ts";
import { until } from "./support/until.ts";
import { World } from "./support/world.ts";

const ignore = isWithoutEtcd();
if (ignore) console.warn("SKIPPED: hubs of a cluster as programs, since there is no etcd");

Deno.test({
  name: "two hubs as programs: any hub reaches any server, and shows all of them",
  ignore,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const etcd = stack.use(await Etcd.start());
    const secret = await Deno.makeTempFile();
    stack.defer(() => Deno.remove(secret));
    await Deno.writeTextFile(secret, "s".repeat(43), { mode: 0o600 });
    const member = (name: string, servers: readonly string[]) =>
      World.start({
        servers,
        hubArgs: [
          ...ONE_WORKER,
          ...["--cluster", `etcd://${etcd.endpoints}/test`, "--hub-name", name],
          ...["--peer-listen", "127.0.0.1:0", "--peer-secret-file", secret],
        ],
      });
    const a = stack.use(await member("hub-a", ["edge-1"]));
    const b = stack.use(await member("hub-b", ["edge-2"]));
    for (const [world, server] of [[a, "edge-2"], [b, "edge-1"]] as const) {
      const metadata = { "x-hub-server": server, "x-hub-wait": "4m" };
      using client = plainPath("forwarded", world.callAddress, metadata).client();
      const { code, trailers } = await client.unary({ data: new Uint8Array(3) });
      assert.deepEqual([code, String(trailers.get("x-hub-hop")[0])], [0, "server"]);
    }
    const list = await a.gclient(["hub", "servers", "-o", "json"]);
    const { servers } = JSON.parse(list.stdout) as { servers: { name: string; hubs: string[] }[] };
    assert.deepEqual(servers.map(({ name, hubs }) => [name, ...hubs]), [
      ["edge-1", "hub-a"],
      ["edge-2", "hub-b"],
    ]);
    const { stdout } = await a.gclient(["hub", "hubs", "-o", "json"]);
    const { hubs } = JSON.parse(stdout) as {
      hubs: { name: string; linked: boolean; servers: number; differingFiles?: string[] }[];
    };
    assert.deepEqual(
      hubs.map(({ name, linked, servers, differingFiles }) => ({
        ...{ name, linked, servers },
        differs: differingFiles?.join(" ") ?? "",
      })),
      [
        { name: "hub-a", linked: true, servers: 1, differs: "" },
        // Both state folders have tokens and keys of their own.
        { name: "hub-b", linked: true, servers: 1, differs: "join operator voucher" },
      ],
    );
    // One is killed: what only it has cannot be reached, and that is said before anything leaves.
    await b.hub.kill();
    using client = plainPath("lost", a.callAddress, { "x-hub-server": "edge-2" }).client();
    await until("the lost hub to be told", async () => {
      const { code, details, trailers } = await client.unary({});
      assert.deepEqual([code, String(trailers.get("x-hub-forwarded")[0])], [14, "0"], details);
      return /cannot be reached|is away/.test(details);
    });
  },
});
