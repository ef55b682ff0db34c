/**
 * The manager suite over further kinds of units, side by side on one machine with a real systemd: of it,
 * what the kind can break. What an unprivileged gserver may do is in fluentd_systemd_test.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { refused } from "../server/fluentd/testing/kit.ts";
import { managerSuiteOfUnit, SIDE_BY_SIDE } from "./manager_suite.ts";
import { healthy, started, stopped, team } from "./manager_suite/case.ts";
import { fluentdCommand } from "./support/fluentd.ts";
import { installOverridden, installSimple, installTemplate } from "./support/fluentd_units.ts";
import { foldersOfHost, kept, type KeptUnit } from "./support/kept_fluentd.ts";
import { SystemdMachine, systemdMissing } from "./support/systemd_machine.ts";

/** What a drop-in can break. */
const OF_COMMAND = /^(what is checked|a Start|a broken config|each answer)/;
/** What a name can break. */
const OF_NAME = /^(one that is stopped|a Start|a Restart is|each answer|after kill)/;

Deno.test({
  name: "the manager suite holds for a drop-in, a template and a masked unit",
  ignore: systemdMissing() || fluentdCommand() === undefined,
  ...SIDE_BY_SIDE,
  fn: async (t) => {
    await using machine = await SystemdMachine.boot({ sees: foldersOfHost() });
    const simple = await installSimple(machine);
    const overridden = await installOverridden(machine);
    const template = await installTemplate(machine);
    await machine.must("systemctl", "daemon-reload");
    await Promise.all([
      managerSuiteOfUnit(t, { machine, unit: overridden, only: OF_COMMAND }),
      managerSuiteOfUnit(t, { machine, unit: template, only: OF_NAME }),
      t.step({
        name: "a masked unit is refused in plain words, and can still be stopped",
        ...SIDE_BY_SIDE,
        fn: () => masked(machine, simple),
      }),
    ]);
  },
});

async function masked(machine: SystemdMachine, unit: KeptUnit): Promise<void> {
  await using fluentd = await kept(machine, { ...unit, host: "masked" });
  const { client } = fluentd;
  const before = await started(fluentd);
  // What somebody wrote into /etc must go first: systemd masks by a link in its place.
  const file = await machine.read(`/etc/systemd/system/${unit.unit}`);
  await machine.must("rm", `/etc/systemd/system/${unit.unit}`);
  await machine.must("systemctl", "mask", unit.unit);
  const isRefused = async () => {
    for (const call of [() => client.start({ skipValidate: true }), () => client.restart()]) {
      const { message } = await refused(call(), "FAILED_PRECONDITION", "UNIT_MASKED");
      assert.ok(message.includes(`systemctl unmask ${unit.unit}`), message);
    }
  };
  assert.equal((await client.start()).status, "NOCHANGE", "it runs");
  await refused(client.restart(), "FAILED_PRECONDITION", "UNIT_MASKED");
  assert.deepEqual(team(await healthy(fluentd)), team(before), "not touched");
  const ended = await client.stop();
  assert.equal(ended.status, "SUCCESS", ended.failure?.message ?? "");
  await isRefused();
  assert.equal((await client.status()).health, "STOPPED");
  assert.equal((await client.stop()).status, "NOCHANGE");
  await machine.must("systemctl", "unmask", unit.unit);
  await machine.write(`/etc/systemd/system/${unit.unit}`, file);
  await machine.must("systemctl", "daemon-reload");
  assert.equal((await client.start()).status, "SUCCESS");
  await stopped(fluentd);
}
