/**
 * The manager suite over the two kinds of units that are met most, side by side on one machine with a
 * real systemd: all of it.
 *
 * @module
 */
import { managerSuiteOfUnit, SIDE_BY_SIDE } from "./manager_suite.ts";
import { fluentdCommand } from "./support/fluentd.ts";
import { installForking, installSimple } from "./support/fluentd_units.ts";
import { foldersOfHost } from "./support/kept_fluentd.ts";
import { SystemdMachine, systemdMissing } from "./support/systemd_machine.ts";

Deno.test({
  name: "the manager suite holds for units of a real systemd",
  ignore: systemdMissing() || fluentdCommand() === undefined,
  ...SIDE_BY_SIDE,
  fn: async (t) => {
    await using machine = await SystemdMachine.boot({ sees: foldersOfHost() });
    const units = [await installForking(machine), await installSimple(machine)];
    await machine.must("systemctl", "daemon-reload");
    await Promise.all(units.map((unit) => managerSuiteOfUnit(t, { machine, unit })));
  },
});
