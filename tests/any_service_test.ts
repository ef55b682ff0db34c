/**
 * `gclient list|describe|call` through a real hub: what a server can do is asked of the server.
 *
 * @module
 */
import assert from "node:assert/strict";
import { World } from "./support/world.ts";

Deno.test("gclient lists, describes and calls what a server has, through the hub", async (t) => {
  await using world = await World.start({ servers: ["edge-1"] });
  for (const way of [[], ["--raw"]]) {
    await t.step(`gclient ${way.join(" ") || "routed"}`, async () => {
      const list = await world.gclient(["list", "edge-1", ...way]);
      assert.equal(list.code, 0, list.stderr);
      assert.ok(list.stdout.split("\n").includes("fluentd.v1.Fluentd"), list.stdout);
      const described = await world.gclient(["describe", "fluentd.v1.Fluentd", "edge-1", ...way]);
      assert.match(described.stdout, /rpc GetStatus\(fluentd\.v1\.GetStatusRequest\)/);
      const args = ["call", "fluentd.v1.Fluentd/GetStatus", "edge-1", "-n", "-o", "json", ...way];
      const called = await world.gclient(args);
      assert.equal(called.code, 0, called.stderr);
      assert.equal(typeof JSON.parse(called.stdout).state.health, "string");
    });
  }
  await t.step("the hub has services of its own", async () => {
    const { stdout } = await world.gclient(["call", "ghub.v1.Hub/ListServers", "-n", "-o", "json"]);
    assert.equal(JSON.parse(stdout).servers[0].name, "edge-1");
  });
});
