/** The judge of the random walk (fluentd_walk_test.ts) finds each kind of lie, and takes no truth for one. */
import assert from "node:assert/strict";
import type { fluentd_v1_FluentdState as FluentdState } from "../shared/gen/types.ts";
import { fluentdError } from "../server/fluentd/failures.ts";
import { randomFrom } from "../shared/testing/property.ts";
import { fluentdVersions } from "./support/fluentd.ts";
import { LieDetector } from "./support/fluentd_lies.ts";
import { FluentdScene } from "./support/fluentd_scene.ts";

const versions = fluentdVersions();

/** A service that says this, in turn; none of its looks takes any time. */
function saying(...states: FluentdState[]) {
  let i = 0;
  return { status: () => Promise.resolve(states[i++ % states.length]!) };
}

/** What was found in such an answer to GetStatus. */
async function liesOf(scene: FluentdScene, ...states: FluentdState[]): Promise<string[]> {
  const detector = new LieDetector(scene, { teller: saying(...states), settlesMs: 500 });
  await detector.status();
  return detector.lies.map((lie) => lie.split(":")[0]!);
}

Deno.test({
  name: "the judge of the walk finds each kind of lie",
  ignore: versions.length === 0,
  async fn(t) {
    const options = { ...versions[0]!, workers: 1, hasMonitor: false } as const;
    await using scene = await FluentdScene.open({ ...options, random: randomFrom(1) });
    const started = await scene.service.start();
    assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
    const healthy = await scene.service.status();
    const asked = async (kind: "Start" | "Stop" | "Restart", answer: object) => {
      const detector = new LieDetector(scene);
      await detector.asked(
        kind,
        () => answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer),
      );
      return detector.lies.length;
    };

    await t.step("of one that collects", async () => {
      assert.deepEqual(await liesOf(scene, { ...healthy, health: "HEALTHY" }), [], "a truth");
      assert.deepEqual(
        await liesOf(scene, { ...healthy, health: "DEGRADED" }),
        ["DEGRADED, and all records arrive"],
      );
      assert.deepEqual(
        await liesOf(scene, { health: "STOPPED" }),
        ["STOPPED, and 2 live", ` are told, and ${healthy.workers![0]!.pid} live`]
          .concat([`Supervisor ${healthy.supervisor!.pid} lives`])
          .concat(["STOPPED, and all records arrive"]),
      );
      assert.deepEqual(
        await liesOf(scene, { ...healthy, health: "HEALTHY", supervisor: { pid: 1 } }),
        [`Supervisor ${healthy.supervisor!.pid} lives`],
      );
      assert.equal(await asked("Start", { status: "NOCHANGE" }), 0, "a truth");
      assert.equal(await asked("Start", { status: "FAILED", failure: {} }), 1);
      assert.equal(await asked("Restart", { status: "FAILED_STOPPED" }), 2);
      assert.equal(await asked("Stop", { status: "SUCCESS" }), 1);
      assert.equal(await asked("Stop", { status: "NOCHANGE" }), 2);
      for (const reason of ["CONFIG_INVALID", "UNSENT_IN_MEMORY", "RUNNING_ELSEWHERE"] as const) {
        assert.equal(await asked("Start", fluentdError(reason, "")), 1);
      }
    });
    await t.step("of one that has an output that is ill", async () => {
      await scene.permit("out", false);
      const said = { ...healthy, health: "HEALTHY", warnings: [{ code: "OUTPUT_FAILING" }] };
      if (Deno.uid() === 0) assert.deepEqual(await liesOf(scene, said as FluentdState), []);
      await scene.permit("out", true);
    });
    await t.step("of one that does not run", async () => {
      await scene.service.stop({ forceAfter: true, acceptLoss: true });
      const [first] = await liesOf(scene, { ...healthy, health: "HEALTHY" });
      assert.equal(first, "HEALTHY, and none lives");
      assert.deepEqual(await liesOf(scene, { health: "STOPPED" }), [], "a truth");
      const flapping = await liesOf(scene, { health: "STOPPED" }, { health: "HEALTHY" });
      assert.deepEqual(flapping, ["HEALTHY in some looks of 8, and always deaf"]);
      assert.equal(await asked("Start", { status: "SUCCESS" }) > 0, true);
      assert.equal(
        await asked("Restart", { status: "FAILED_STARTED", failure: {} }),
        1,
      );
      assert.equal(await asked("Stop", { status: "NOCHANGE" }), 0, "a truth");
    });
  },
});
