/**
 * One suite for every manager: what Start, Stop, Restart and GetStatus promise holds whoever keeps
 * Fluentd, each time with a real one.
 *
 * @module
 */
import type { Case } from "./manager_suite/case.ts";
import { life } from "./manager_suite/life.ts";
import { losses } from "./manager_suite/losses.ts";
import { setup } from "./manager_suite/setup.ts";
import { troubles } from "./manager_suite/troubles.ts";
import type { KeptFluentd } from "./support/kept_fluentd.ts";

const suite: Readonly<Record<string, readonly Case[]>> = { life, setup, troubles, losses };

export interface SuiteOptions {
  /** Which cases, by their names. @default all */
  readonly only?: RegExp;
}

/**
 * Runs the cases, each as a step. Several suites may run side by side, so the steps have no leak
 * sanitizers, which would take the connections of one suite for those of another.
 */
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
        sanitizeOps: false,
        sanitizeResources: false,
        sanitizeExit: false,
        fn: async () => await run(kept),
      });
    }
  }
}
