/**
 * The network is away for some seconds, and comes back for a hundred servers at once.
 *
 * @module
 */
import { Fleet } from "../../fleet.ts";
import { startHub } from "../../hub_under_test.ts";
import { Link } from "../../link.ts";
import { median } from "../../table.ts";
import { atMost, type Part, row, sleep, until } from "../../part.ts";

const SERVERS = 100;
const OUTAGE_MS = 3_000;
/** Jitter is random: one outage says little. */
const OUTAGES = 3;

export const reconnect: Part = {
  id: "reconnect",
  name: "the network away for three seconds",
  seconds: 40,
  async run({ log, signal }) {
    const times: number[] = [];
    for (let round = 1; round <= OUTAGES; round++) {
      await using hub = await startHub();
      using link = new Link(new URL(hub.tunnelUri).host);
      await using fleet = new Fleet(`ws://${link.address}/ws`, { name: "back", count: SERVERS });
      const all = () => fleet.registered === SERVERS;
      await until(all, { signal });
      link.down = true;
      link.cut();
      await sleep(OUTAGE_MS, signal);
      link.down = false;
      const startMs = performance.now();
      await until(all, { signal });
      const afterS = fleet.registeredSince(startMs).map((ms) => (ms - startMs) / 1000);
      times.push(...afterS);
      log(`outage ${round} of ${OUTAGES}: all are back after ${afterS.at(-1)?.toFixed(1)} s`);
    }
    return [
      row(`${SERVERS} servers, network back after 3 s: median`, median(times), "s", atMost(2)),
      row(`${SERVERS} servers, network back after 3 s: last`, Math.max(...times), "s"),
    ];
  },
};
