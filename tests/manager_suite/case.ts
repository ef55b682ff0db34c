/**
 * What a case of the suite is, and how one begins: whatever the case before has left behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { fluentd_v1_FluentdState as FluentdState } from "../../shared/gen/types.ts";
import { simpleConfig } from "../support/fluentd.ts";
import type { KeptFluentd } from "../support/kept_fluentd.ts";
import { until } from "../support/until.ts";

/** A statement, and the test of it. */
export type Case = readonly [name: string, run: (kept: KeptFluentd) => Promise<void>];

/** Its third line is wrong, and says so with its number. */
export const BROKEN = "<source>\n  @type tcp\n<match>\n";

/** Ends it, whatever it does. */
export async function stopped({ client }: KeptFluentd): Promise<void> {
  const { status, failure } = await client.stop({ forceAfter: true, acceptLoss: true });
  assert.notEqual(status, "FAILED", failure?.message ?? "");
}

/** Starts it with a config, by default one that listens at a new port. */
export async function started(
  kept: KeptFluentd,
  config = simpleConfig({ port: kept.freePort() }),
): Promise<FluentdState> {
  await stopped(kept);
  await kept.write(config);
  const { status, failure } = await kept.client.start({ skipValidate: true });
  assert.equal(status, "SUCCESS", failure?.message ?? "");
  return await healthy(kept);
}

/** Waits until it is, and gives the state. */
export function healthy({ client }: KeptFluentd): Promise<FluentdState> {
  return until("HEALTHY", async () => {
    const state = await client.status();
    return state.health === "HEALTHY" ? state : undefined;
  });
}

/** PIDs of its supervisor and workers. */
export function team({ supervisor, workers = [] }: FluentdState): (number | undefined)[] {
  return [supervisor?.pid, ...workers.map(({ pid }) => pid)];
}
