import assert from "node:assert/strict";
import { until } from "../../tests/support/until.ts";
import { MemoryEngine } from "../engine/memory_engine.ts";
import { ClusterKeys } from "./keys.ts";
import { encodeRecord } from "./records.ts";
import { GivenEngine } from "./testing/given_engine.ts";
import { TestMember } from "./testing/member.ts";

/** An engine that has a fault of its own. */
class FaultyEngine extends GivenEngine {
  faults = 0;

  override async read(...[prefix, options]: Parameters<GivenEngine["read"]>) {
    if (!prefix.includes("/at/")) return await super.read(prefix, options);
    this.faults++;
    throw new TypeError("No answer of an engine, says the test");
  }
}

Deno.test("Sweeper: a fault in a sweep ends nothing but that sweep", async () => {
  await using engine = new MemoryEngine();
  const faulty = new FaultyEngine(engine);
  await using one = new TestMember("one", faulty);
  await until("it to be a member", () => one.cluster.state === "member");
  const place = {
    tunnel: "t",
    info: { name: "edge-1", labels: {}, instance: "", version: "", remoteAddress: "" },
    owner: "",
    sinceMs: 0,
    epoch: 1,
  };
  const put = new ClusterKeys("test").place("dead", "edge-1");
  await engine.commit({ conditions: [], writes: [{ put, value: encodeRecord(place) }] });
  await until("two sweeps", () => faulty.faults >= 2);
  assert.equal(one.cluster.state, "member");
});
