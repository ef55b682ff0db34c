/**
 * How it is started: arguments, environment, workers, and whether another one has its place.
 *
 * @module
 */
import assert from "node:assert/strict";
import { refused } from "../../server/fluentd/testing/kit.ts";
import { simpleConfig } from "../support/fluentd.ts";
import { argumentsOf, isListening, kill, VARIABLE } from "../support/kept_fluentd.ts";
import { until } from "../support/until.ts";
import { type Case, healthy, started, stopped } from "./case.ts";

export const setup: readonly Case[] = [
  ["what is checked is what runs: the arguments, each by itself", async (kept) => {
    const { supervisor } = await started(kept);
    const argv = await argumentsOf(kept, supervisor!.pid!);
    const { stdout } = await kept.run("cat", `/proc/${supervisor!.pid!}/environ`);
    const named = argv.includes(kept.configPath) ||
      stdout.split("\0").includes(`FLUENT_CONF=${kept.configPath}`);
    assert.ok(named, argv.join("\n"));
  }],
  ["what is checked is what runs: a config that needs the environment", async (kept) => {
    const config = simpleConfig().replace(
      "</system>\n",
      `</system>\n<source>\n  @type tcp\n  tag t\n  bind 127.0.0.1\n` +
        `  port "#{Integer(ENV.fetch('${VARIABLE}'))}"\n` +
        "  <parse>\n    @type none\n  </parse>\n</source>\n",
    );
    const state = await started(kept, config);
    assert.ok(await isListening(kept, Number(kept.value)), JSON.stringify(state));
    assert.equal((await kept.client.restart()).status, "SUCCESS");
  }],
  ["both of two workers are asked for, and one that is killed is born again", async (kept) => {
    const config = simpleConfig({ port: kept.freePort(), system: "  workers 2" });
    const before = await started(kept, config);
    assert.equal(before.expectedWorkers, 2);
    assert.deepEqual(before.workers?.map(({ id = 0 }) => id), [0, 1]);
    const [, second] = before.workers ?? [];
    await kill(kept, second?.pid);
    const state = await until("another worker 1, counted", async () => {
      const state = await kept.client.status();
      const worker = state.workers?.find(({ id }) => id === 1);
      const counted = (state.restartsTotal ?? 0) > (before.restartsTotal ?? 0);
      return worker !== undefined && worker.pid !== second?.pid && counted ? state : undefined;
    });
    assert.equal(state.supervisor?.pid, before.supervisor?.pid);
    await healthy(kept);
  }],
  [
    "one with our config that somebody else runs is named, and no second one starts",
    async (kept) => {
      await stopped(kept);
      await kept.write(simpleConfig({ port: kept.freePort() }));
      {
        await using another = await kept.runAnother();
        for (const call of [() => kept.client.start(), () => kept.client.restart()]) {
          const error = await refused(call(), "FAILED_PRECONDITION", "RUNNING_ELSEWHERE");
          const who = another.unit === undefined
            ? /of no unit/
            : new RegExp(`unit ${another.unit}`);
          assert.match(error.message, who);
          assert.ok(error.message.includes(`config ${kept.configPath}`), error.message);
        }
        const state = await kept.client.status();
        assert.equal(state.health, "STOPPED");
        assert.deepEqual(state.warnings?.map(({ code }) => code), ["RUNNING_ELSEWHERE"]);
        assert.equal((await kept.client.stop()).status, "NOCHANGE", "that one is not ours");
      }
      assert.equal((await kept.client.start()).status, "SUCCESS");
    },
  ],
];
