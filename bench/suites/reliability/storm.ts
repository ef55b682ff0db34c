/**
 * The hub is killed and started again, under all its servers.
 *
 * @module
 */
import { Fleet } from "../../fleet.ts";
import { type RunningHub, startHub } from "../../hub_under_test.ts";
import { median } from "../../table.ts";
import { HubWatch } from "./hub_watch.ts";
import { atMost, type Part, row, sleep, until } from "../../part.ts";

const SERVERS = 2_000;
/** Who is admitted is registered a moment later, by a clock of milliseconds. */
const MOMENT_MS = 2;
const HANDSHAKES_PER_S = 200;
/** How long the hub is down. */
const OUTAGE_MS = 3_000;

export const storm: Part = {
  id: "storm",
  name: "the hub killed and started again",
  seconds: 60,
  async run({ some, log, signal }) {
    const count = some(SERVERS);
    const args = ["--max-handshakes-per-second", `${HANDSHAKES_PER_S}`];
    let hub: RunningHub = await startHub({ args });
    await using fleet = new Fleet(hub.tunnelUri, { name: "storm", count });
    const all = () => fleet.registered === count;
    const progress = () => log(`${fleet.registered} of ${count} servers are registered`);
    try {
      await until(all, { signal, progress });
      const old = hub;
      log("the hub is killed");
      await hub[Symbol.asyncDispose]();
      await until(() => fleet.registered === 0, { signal });
      await sleep(OUTAGE_MS, signal);
      hub = await startHub({ args, again: old });
      const startMs = performance.now();
      await until(all, { signal, progress });
      const afterS = fleet.registeredSince(startMs).map((ms) => (ms - startMs) / 1000);
      using watch = new HubWatch(hub.callAddress);
      const handshakes = await watch.connectedAtMs();
      return [
        row(`hub killed under ${count} servers: half are back`, median(afterS), "s"),
        row(`hub killed under ${count} servers: all are back`, afterS.at(-1) ?? NaN, "s"),
        row("  registered at the hub", handshakes.length, "", {
          text: String(count),
          holds: (value) => value === count,
        }),
        row("  the most in any second", busiest(handshakes), "/s", atMost(HANDSHAKES_PER_S)),
      ];
    } finally {
      await hub[Symbol.asyncDispose]();
    }
  },
};

/** The most of these times that fall into one second, wherever it begins. */
export function busiest(timesMs: readonly number[]): number {
  const times = timesMs.toSorted((a, b) => a - b);
  let most = 0;
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= 1_000 - MOMENT_MS) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}
