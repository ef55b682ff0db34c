import assert from "node:assert/strict";
import { fluentdCommand, simpleConfig } from "../../../tests/support/fluentd.ts";
import { freePort } from "../../../tests/support/free_port.ts";
import { descendantsOf, readProcesses } from "../system/proc.ts";
import { findElsewhere } from "./running_elsewhere.ts";
import { refused, TestFluentd, until } from "../testing/kit.ts";

const command = fluentdCommand();

Deno.test({
  name:
    "G7: a Fluentd that somebody started by hand with our config is named, and no second one starts",
  ignore: command === undefined,
  fn: async () => {
    await using fluentd = await TestFluentd.open(simpleConfig(), {});
    const [program = "", ...args] = command!;
    const byHand = new Deno.Command(program, {
      args: [...args, "-c", fluentd.configPath],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const state = await until("the warning", async () => {
        const state = await fluentd.service.status();
        return state.warnings?.some(({ code }) => code === "RUNNING_ELSEWHERE") ? state : undefined;
      });
      // The naive answer is that nothing runs.
      assert.equal(state.health, "STOPPED");
      for (const call of ["start", "restart"] as const) {
        const error = await refused(
          fluentd.service[call](),
          "FAILED_PRECONDITION",
          "RUNNING_ELSEWHERE",
        );
        assert.match(error.message, new RegExp(`process ${byHand.pid}, .*${fluentd.configPath}`));
        assert.match(error.message, /kill -TERM \d+.*--fluentd-config/);
      }
    } finally {
      byHand.kill("SIGTERM");
      await byHand.status;
    }
    const started = await fluentd.service.start();
    assert.equal(started.status, "SUCCESS", started.failure?.message ?? "");
  },
});

Deno.test({
  name: "G7: a Fluentd with another config is somebody's own business, where ours was named",
  ignore: command === undefined,
  fn: async () => {
    await using other = await TestFluentd.open(simpleConfig({ port: freePort() }), {});
    assert.equal((await other.service.start()).status, "SUCCESS");
    const own = new Set([Deno.pid]);
    const find = (configPath: string) => findElsewhere({ own, configPath, implicit: false });
    const [found] = await find(other.configPath);
    assert.equal(found?.configPath, await Deno.realPath(other.configPath));
    assert.deepEqual(await find("/nowhere/fluent.conf"), []);
  },
});

Deno.test({
  name: "G7: a title that hides the arguments does not make the config the usual one",
  ignore: command === undefined,
  fn: async () => {
    const config = simpleConfig({ port: freePort(), system: "process_name hidden" });
    await using other = await TestFluentd.open(config, {});
    const { after } = await other.service.start();
    const pid = after!.supervisor!.pid!;
    const [process] = await readProcesses([pid]);
    assert.match(process!.argv[0]!, /^supervisor:hidden/);
    const options = { own: new Set([Deno.pid]), configPath: "/nowhere/x.conf", implicit: true };
    const found = await findElsewhere(options);
    assert.ok(!found.some((one) => one.pid === pid), JSON.stringify(found));
  },
});

/** Only root makes namespaces everywhere. */
const isRoot = Deno.uid() === 0;
if (!isRoot) console.warn("SKIPPED: a Fluentd in a container, because this is not root");

Deno.test({
  name: "G7: a Fluentd in a container is no Fluentd of this machine",
  ignore: command === undefined || !isRoot,
  fn: async () => {
    await using fluentd = await TestFluentd.open(simpleConfig(), {});
    const container = new Deno.Command("unshare", {
      args: ["--pid", "--fork", "--kill-child", ...command!, "-c", fluentd.configPath],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      // It is there to be seen, and has been executed.
      await until("the Fluentd in it", async () => {
        const inside = await readProcesses(await descendantsOf([container.pid]));
        return inside.find(({ pid, argv }) =>
          pid !== container.pid && /ruby|fluentd/.test(argv[0]!)
        );
      });
      const options = { own: new Set([Deno.pid]), configPath: fluentd.configPath, implicit: true };
      assert.deepEqual(await findElsewhere(options), []);
    } finally {
      container.kill("SIGKILL");
      await container.status;
    }
  },
});
