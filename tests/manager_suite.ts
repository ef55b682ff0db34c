/**
 * One suite for every manager: what Start, Stop, Restart and GetStatus promise holds whoever keeps
 * Fluentd, each time with a real one. A file for each row, so that they run at the same time:
 *
 * | file                           | kind                                             | what runs                         |
 * | ------------------------------ | ------------------------------------------------ | --------------------------------- |
 * | manager_suite_spawn_test.ts    | spawn                                            | all                               |
 * | manager_suite_systemd_test.ts  | `Type=forking` as packaged, called by an alias   | all                               |
 * |                                | `Type=simple` to the journal                     | all                               |
 * | manager_suite_variants_test.ts | drop-in that replaces command and environment    | what depends on how it is started |
 * |                                | instance of a template                           | what depends on the unit's name   |
 * |                                | masked, stopped or running                       | what is refused, and what is not  |
 *
 * All cases over all kinds would take minutes more and prove nothing else.
 *
 * @module
 */
import { type Case, stopped } from "./manager_suite/case.ts";
import { life } from "./manager_suite/life.ts";
import { losses } from "./manager_suite/losses.ts";
import { setup } from "./manager_suite/setup.ts";
import { troubles } from "./manager_suite/troubles.ts";
import { kept, type KeptFluentd, type KeptUnit } from "./support/kept_fluentd.ts";
import type { SystemdMachine } from "./support/systemd_machine.ts";

const suite: Readonly<Record<string, readonly Case[]>> = { life, setup, troubles, losses };

/** Of steps side by side: a sanitizer would take the connections of one for those of another. */
export const SIDE_BY_SIDE = {
  sanitizeOps: false,
  sanitizeResources: false,
  sanitizeExit: false,
} as const;

export interface SuiteOptions {
  /** Which cases, by their names. @default all */
  readonly only?: RegExp;
}

/** Runs the cases, each as a step. Several suites may run side by side. */
export async function managerSuite(
  t: Deno.TestContext,
  kept: KeptFluentd,
  { only = new RegExp(Deno.env.get("GHUB_STORY") ?? "") }: SuiteOptions = {},
): Promise<void> {
  for (const [part, cases] of Object.entries(suite)) {
    for (const [name, run] of cases) {
      if (!only.test(name)) continue;
      await t.step({
        name: `${kept.name}: ${part}: ${name}`,
        ...SIDE_BY_SIDE,
        fn: async () => await run(kept),
      });
    }
  }
}

/** Runs the cases over a unit of a machine, in a step of its name. */
export async function managerSuiteOfUnit(
  t: Deno.TestContext,
  { machine, unit, ...options }: SuiteOptions & { machine: SystemdMachine; unit: KeptUnit },
): Promise<void> {
  await t.step({
    name: unit.name,
    ...SIDE_BY_SIDE,
    fn: async (t) => {
      await using fluentd = await kept(machine, unit);
      await managerSuite(t, fluentd, options);
      await stopped(fluentd);
    },
  });
}
