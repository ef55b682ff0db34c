/**
 * The manager suite where gserver itself keeps Fluentd: all of it.
 *
 * @module
 */
import { managerSuite, SIDE_BY_SIDE } from "./manager_suite.ts";
import { fluentdCommand } from "./support/fluentd.ts";
import { spawned } from "./support/kept_fluentd.ts";

Deno.test({
  name: "the manager suite holds for spawn",
  ignore: fluentdCommand() === undefined,
  ...SIDE_BY_SIDE,
  fn: async (t) => {
    await using fluentd = await spawned();
    await managerSuite(t, fluentd);
  },
});
